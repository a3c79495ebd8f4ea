//! Readers of other tools' traces.
//!
//! Each source format has one [`Importer`]; [`importers`] lists them. A file's format is found by
//! its content, never by its name alone. [`import_path`] reads one file, [`import_paths`] joins
//! several files and folders into one [`Timeline`](underspan_model::Timeline).
//!
//! Input is untrusted: what cannot be read is an [`ImportError`] that names file and place, what
//! had to be left out, repaired or doubted is counted in the timeline's problem ledger.

mod align;
mod civil_time;
mod clock;
mod datadog;
mod declared;
mod dialect;
mod elastic;
mod error;
mod folder;
mod foreign;
mod hook_log;
mod import;
mod importer;
mod input;
mod jaeger;
mod json;
mod kineto;
mod lines;
mod native;
mod nsys;
mod nvidia_smi;
mod options;
mod otlp;
mod progress;
mod prometheus;
mod registry;
mod regular_file;
mod signoz;
mod small_json;
mod spans;
mod tensorrt;
mod triton;
mod zipkin;

pub use clock::ClockImporter;
pub use datadog::DatadogImporter;
pub use declared::DeclaredImporter;
pub use elastic::ElasticImporter;
pub use error::ImportError;
pub use folder::BASELINE;
pub use import::{Imported, import_path, import_paths};
pub use importer::{Importer, Probe, ProbeInput};
pub use input::{Compression, InputFile};
pub use jaeger::JaegerImporter;
pub use kineto::KinetoImporter;
pub use nvidia_smi::{NvidiaSmiQueryImporter, NvidiaSmiTableImporter};
pub use options::ImportOptions;
pub use otlp::{OtlpJsonImporter, OtlpProtobufImporter};
pub use progress::{NoProgress, Progress};
pub use prometheus::PrometheusImporter;
pub use registry::importers;
pub use signoz::SignozImporter;
pub use tensorrt::{TensorRtGraphImporter, TensorRtProfileImporter, TensorRtTimingImporter};
pub use triton::TritonImporter;
pub use zipkin::ZipkinImporter;

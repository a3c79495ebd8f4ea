//! The list of importers, and the choice among them by content.

use crate::clock::ClockImporter;
use crate::datadog::DatadogImporter;
use crate::declared::DeclaredImporter;
use crate::elastic::ElasticImporter;
use crate::hook_log::HookLog;
use crate::input::InputFile;
use crate::jaeger::JaegerImporter;
use crate::kineto::KinetoImporter;
use crate::native::Native;
use crate::nsys::NsysSqlite;
use crate::nvidia_smi::{NvidiaSmiQueryImporter, NvidiaSmiTableImporter};
use crate::otlp::{OtlpJsonImporter, OtlpProtobufImporter};
use crate::prometheus::PrometheusImporter;
use crate::signoz::SignozImporter;
use crate::tensorrt::{TensorRtGraphImporter, TensorRtProfileImporter, TensorRtTimingImporter};
use crate::triton::TritonImporter;
use crate::zipkin::ZipkinImporter;
use crate::{ImportError, Importer, Probe, ProbeInput, foreign};

/// Every importer. To add one: write its file, add its line.
static IMPORTERS: &[&dyn Importer] = &[
    &Native,
    &HookLog,
    &NsysSqlite,
    &KinetoImporter::new(),
    &OtlpJsonImporter,
    &OtlpProtobufImporter,
    &TritonImporter,
    &ClockImporter,
    &DeclaredImporter,
    &NvidiaSmiQueryImporter,
    &NvidiaSmiTableImporter,
    &PrometheusImporter,
    &TensorRtGraphImporter,
    &TensorRtProfileImporter,
    &TensorRtTimingImporter,
    &JaegerImporter,
    &ZipkinImporter,
    &DatadogImporter,
    &ElasticImporter,
    &SignozImporter,
];

/// Every importer, in the order in which they are asked.
pub fn importers() -> &'static [&'static dyn Importer] {
    IMPORTERS
}

/// The importer for a file, by its content. The first that is sure wins, otherwise the first that
/// thinks it possible.
///
/// # Errors
/// When no importer knows the content.
pub(crate) fn importer_for(input: &InputFile) -> Result<&'static dyn Importer, ImportError> {
    let probe =
        ProbeInput { path: input.path(), head: input.head(), is_whole: input.head_is_whole() };
    if input.file_bytes() == 0 {
        return Err(ImportError::Empty { path: input.path().to_owned() });
    }
    let judged = || IMPORTERS.iter().map(|importer| (importer.probe(&probe), *importer));
    if let Some((_, importer)) = judged().find(|(judgement, _)| *judgement == Probe::Yes) {
        return Ok(importer);
    }
    if let Some(foreign) = foreign::recognise(&probe) {
        return Err(ImportError::Foreign {
            path: input.path().to_owned(),
            found: foreign.found,
            hint: foreign.hint,
        });
    }
    if let Some((_, importer)) = judged().find(|(judgement, _)| *judgement == Probe::Maybe) {
        return Ok(importer);
    }
    Err(ImportError::Unrecognised {
        path: input.path().to_owned(),
        found: foreign::describe(probe.head),
        supported: supported(),
    })
}

/// The formats that can be imported, as a person would list them.
pub(crate) fn supported() -> String {
    let titles: Vec<_> = IMPORTERS.iter().map(|importer| importer.title()).collect();
    match titles.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => "nothing: no importer is built in".to_owned(),
    }
}

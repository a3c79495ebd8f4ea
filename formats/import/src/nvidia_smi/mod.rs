//! Text that `nvidia-smi` prints: device queries as CSV, and the tables of `pmon` and `dmon`.
//!
//! # The bytes
//!
//! *Queries* (`nvidia-smi --query-gpu=… --format=csv -lms 100`, `--query-compute-apps=…`): a header
//! of field names with units, then one line a device (or process) and time:
//!
//! ```text
//! timestamp, index, uuid, clocks.current.sm [MHz], power.draw [W], utilization.gpu [%]
//! 2026/12/18 07:55:46.880, 0, GPU-6d9e…, 1695 MHz, 27.47 W, 0 %
//! ```
//!
//! With `nounits` values have no unit. What a device does not have reads `[N/A]` or alike.
//!
//! *Tables* (`nvidia-smi pmon -s um -o DT`, `dmon`): names and units in lines that begin with `#`,
//! repeated now and then, values in columns, `-` for none.
//!
//! Times are local time without a zone: they are taken as UTC. Names of fields that changed are
//! written the new way (`clocks_throttle_reasons` is `clocks_event_reasons`).

mod columns;
mod query;
mod samples;
mod table;
mod value;

use underspan_model::Timeline;

use crate::input::InputFile;
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

/// Reads CSV of `nvidia-smi --query-…`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NvidiaSmiQueryImporter;

/// Reads the tables of `nvidia-smi pmon` and `dmon`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NvidiaSmiTableImporter;

impl Importer for NvidiaSmiQueryImporter {
    fn format(&self) -> &'static str {
        query::FORMAT
    }

    fn title(&self) -> &'static str {
        "an nvidia-smi query in CSV"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        query::probe(head)
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        query::read(input, options, progress)
    }
}

impl Importer for NvidiaSmiTableImporter {
    fn format(&self) -> &'static str {
        table::FORMAT
    }

    fn title(&self) -> &'static str {
        "an nvidia-smi pmon or dmon table"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        table::probe(head)
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        table::read(input, options, progress)
    }
}

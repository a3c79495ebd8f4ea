//! Metrics in the Prometheus text format or OpenMetrics: one scrape, or a series of samples with
//! timestamps, as vLLM, SGLang, Triton, TGI, TensorRT-LLM, dcgm-exporter and nvidia_gpu_exporter
//! expose them.
//!
//! # The bytes
//!
//! ```text
//! # HELP vllm:num_requests_running Number of requests in model execution batches.
//! # TYPE vllm:num_requests_running gauge
//! vllm:num_requests_running{engine="0",model_name="m"} 9 1797534620.576
//! # EOF
//! ```
//!
//! A timestamp is seconds with a fraction (OpenMetrics) or whole milliseconds (Prometheus); their
//! sizes tell them apart. A scrape without timestamps has one time for all its values: the one its
//! file name holds in digits (`…_1795362614426001856.txt`), else none that is known.
//!
//! Each series is a counter track named by the metric and its labels in alphabetical order.
//! Histograms stay cumulative: a track for each bucket (`le`), one for the sum, one for the count.
//! Labels that may name machines or people keep their name and get a number for their value.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

mod families;
mod labels;
mod line;
mod series;
mod stamp;

use underspan_model::Timeline;

use crate::input::InputFile;
use crate::lines::{Lines, head_lines};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};
use line::{Statement, statement};
use series::Series;

const FORMAT: &str = "prometheus_text";
/// Lines that are looked at to know the format.
const PROBE_LINES: usize = 8;

/// Reads metrics in the Prometheus text format.
#[derive(Debug, Clone, Copy, Default)]
pub struct PrometheusImporter;

impl Importer for PrometheusImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "metrics in the Prometheus text format"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let (mut n_samples, mut n_faults) = (0, 0);
        let (mut has_type, mut has_help) = (false, false);
        for line in head_lines(head.head, head.is_whole).take(PROBE_LINES) {
            match statement(line) {
                Ok(Statement::Sample(_)) => n_samples += 1,
                Ok(Statement::Type { .. }) => has_type = true,
                Ok(Statement::Help { .. } | Statement::Unit { .. }) => has_help = true,
                Ok(Statement::Comment | Statement::End) => {}
                Err(_) => n_faults += 1,
            }
        }
        if has_type || has_help && n_samples > 0 && n_faults == 0 {
            Probe::Yes
        } else if n_samples > 0 && n_faults == 0 {
            Probe::Maybe
        } else {
            Probe::No
        }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let mut lines = Lines::open(input, options, progress)?;
        let mut series = Series::new(input);
        while let Some(line) = lines.next_line()? {
            if line.text.trim().is_empty() {
                continue;
            }
            match statement(&line.text) {
                Ok(statement) => series.take(statement),
                Err(expected) => series.malformed(line.offset, expected, &line.text, line.is_ended),
            }
        }
        series.finish(input, lines.is_cut_off())
    }
}

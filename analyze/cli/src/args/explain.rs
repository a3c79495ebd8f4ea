use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Inputs;

/// Say where every nanosecond of a request went
///
/// Reads traces, spans and whatever else tells of the server, joins the request with the engine
/// steps it was in and the device work of those, and accounts for its span: outside, frontend,
/// queue, kernels by role, interference, copies, waits, launch gaps, and what stays unexplained.
/// The parts sum to the span.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan explain investigation/ --trace-id 4af1c56f439333d440b40da633051ad5
  underspan explain trace.json.gz spans.otlp.json.gz --request-id cmpl-7
  underspan explain run.uspan --slowest 1%
  underspan explain run.uspan --slowest 3 --format markdown -o slow.md

JSON: one object {request, trace_id, span, parts, steps, rung, clock_uncertainty_ns}; with
--slowest, or when an id names several requests, a list of them.
Exit codes: 0 done · 2 error, such as an id that names no request")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) inputs: Inputs,

    #[command(flatten)]
    pub(crate) which: Which,

    /// Type the model is meant to compute in (bf16, fp16, fp8, int8, …), or its config.json
    #[arg(long, value_name = "TYPE|FILE")]
    pub(crate) declared: Option<String>,

    /// Output format
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    pub(crate) format: ExplainFormat,

    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Which requests.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// W3C trace id: 32 hexadecimal digits, or a whole traceparent
    #[arg(long, value_name = "ID")]
    pub(crate) trace_id: Option<String>,

    /// Span id: 16 hexadecimal digits
    #[arg(long, value_name = "ID")]
    pub(crate) span_id: Option<String>,

    /// Request id, as the engine, its hook or an X-Request-Id header gives it
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,

    /// The slowest requests: so many, or a share as in 1%
    #[arg(long, value_name = "N|N%")]
    pub(crate) slowest: Option<String>,
}

/// How `explain` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// For people at a terminal
    Text,
    /// One object or a list of them, stable
    Json,
    /// For issues and chat
    Markdown,
}

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::amount::parse_duration;
use super::record::WhatToRecord;

/// Run a command with a flight recorder
///
/// Keeps the last seconds of GPU work in a ring, and makes a capture of them when asked: by
/// `underspan record --pid`, by touching a file, by a request on loopback, by requests to the
/// server that are too slow, or by the end of the command with an error. With --dormant nothing is
/// recorded before that.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan arm -- vllm serve MODEL
  underspan arm --last 60s --http 9911 -o slow.uspan -- python3 server.py
  underspan arm --slower-than 2s --slo ttft=500ms,e2e=5s -- vllm serve MODEL
  underspan arm --dormant --trigger-file /run/slow --duration 5s -- python3 server.py")]
pub(crate) struct ArmArgs {
    /// Files to write: a number is added [default: capture.uspan]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// How much time the ring keeps [default: 30s]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) last: Option<Duration>,

    /// Record nothing before a trigger: no call of CUPTI is made
    #[arg(long, conflicts_with = "last")]
    pub(crate) dormant: bool,

    /// How long to record after a trigger [default: 10s]
    #[arg(long, requires = "dormant", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Option<Duration>,

    /// Make a capture whenever this file is touched
    #[arg(long, value_name = "FILE")]
    pub(crate) trigger_file: Option<PathBuf>,

    /// Make a capture on POST /dump to this port of 127.0.0.1; 0 for any
    #[arg(long, value_name = "PORT")]
    pub(crate) http: Option<u16>,

    /// Make a capture when a request to the server takes longer; needs its OpenTelemetry spans
    #[arg(long, value_parser = parse_duration, value_name = "TIME", conflicts_with = "no_otlp")]
    pub(crate) slower_than: Option<Duration>,

    /// Make a capture when too many requests of the last minute exceed a limit: ttft, e2e, or itl,
    /// of which spans tell the mean of a request
    #[arg(long, value_name = "LIMITS", conflicts_with = "no_otlp")]
    pub(crate) slo: Option<String>,

    /// Share of requests that has to keep the limits of --slo
    #[arg(long, value_name = "PERCENT", default_value_t = 99.0, requires = "slo")]
    pub(crate) target: f64,

    #[command(flatten)]
    pub(crate) what: WhatToRecord,

    /// Program and arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND",
        required = true
    )]
    pub(crate) command: Vec<OsString>,
}

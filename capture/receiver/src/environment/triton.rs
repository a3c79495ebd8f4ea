//! Triton: `--trace-config mode=opentelemetry`, `--trace-config opentelemetry,url=…` and the general
//! settings `rate` (default 1000) and `level` (default OFF). It exports over HTTP, in JSON.
//!
//! <https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/trace.html>

use std::ffi::{OsStr, OsString};

use super::TelemetryPlan;
use super::arguments::{Argument, Endpoint, flags};
use super::endpoint::Protocol;
use super::installed::Installed;

const FLAG: &str = "--trace-config";
const URL: &str = "opentelemetry,url=";
const DEFAULT_ENDPOINT: &str = "http://localhost:4318/v1/traces";
/// Flags of before `--trace-config`, which set up traces in a file.
const OLD_FLAGS: &[&str] =
    &["--trace-file", "--trace-level", "--trace-rate", "--trace-count", "--trace-log-frequency"];

pub(super) fn plan(
    plan: &mut TelemetryPlan,
    argv: &[OsString],
    first: usize,
    program: &OsStr,
    installed: &dyn Installed,
) {
    let settings: Vec<_> =
        flags(argv, first, FLAG).filter_map(|flag| Some((flag.value?.to_owned(), flag))).collect();
    let has_old = OLD_FLAGS.iter().any(|name| flags(argv, first, name).next().is_some());
    if settings.is_empty() && !has_old {
        return add(plan, program, installed);
    }
    let is_opentelemetry = settings.iter().any(|(value, _)| value == "mode=opentelemetry");
    if !is_opentelemetry {
        let note = "Triton: traces are set up to go to a file; give that file to `underspan \
                    analyze` together with the capture";
        return plan.notes.push(note.to_owned());
    }
    let mut upstream = DEFAULT_ENDPOINT.to_owned();
    let mut has_url = false;
    for (value, flag) in &settings {
        if let Some(url) = value.strip_prefix(URL) {
            upstream = super::endpoint::url_of(url, true);
            has_url = true;
            let before = if flag.is_joined { "--trace-config=opentelemetry,url=" } else { URL };
            plan.arguments[flag.value_at] = Argument::Endpoint(before, Endpoint::HttpTraces);
        }
    }
    if !has_url {
        plan.arguments.push(Argument::text(FLAG));
        plan.arguments.push(Argument::Endpoint(URL, Endpoint::HttpTraces));
    }
    plan.set_traces_upstream(&upstream, Some(Protocol::Http));
    if !settings.iter().any(|(value, _)| value == "rate=1") {
        let note = "Triton: not every request is traced; batches are rebuilt whole with \
                    --trace-config rate=1 only";
        plan.notes.push(note.to_owned());
    }
}

fn add(plan: &mut TelemetryPlan, program: &OsStr, installed: &dyn Installed) {
    if installed.program_mentions(program, "opentelemetry") != Some(true) {
        let note = "Triton: not known to be built with tracing; for its spans, add --trace-config \
                    mode=opentelemetry --trace-config \
                    opentelemetry,url=$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT --trace-config \
                    level=TIMESTAMPS --trace-config rate=1";
        return plan.notes.push(note.to_owned());
    }
    for setting in ["mode=opentelemetry", "level=TIMESTAMPS", "rate=1"] {
        plan.arguments.extend([Argument::text(FLAG), Argument::text(setting)]);
    }
    plan.arguments.push(Argument::text(FLAG));
    plan.arguments.push(Argument::Endpoint(URL, Endpoint::HttpTraces));
    plan.note_added("Triton", "--trace-config mode=opentelemetry");
}

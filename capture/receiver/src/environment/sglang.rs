//! SGLang: `--enable-trace` and `--otlp-traces-endpoint` (default `localhost:4317`), gRPC unless
//! `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` says HTTP (`sglang/srt/server_args.py`).

use std::ffi::OsString;

use super::TelemetryPlan;
use super::arguments::{Argument, Endpoint, flags};
use super::endpoint::Protocol;
use super::installed::{Installed, PythonLaunch};
use super::python_engine::{ENDPOINT_FLAG, PythonEngine, add, lead};

const ENABLE: &str = "--enable-trace";
const DEFAULT_ENDPOINT: &str = "http://localhost:4317";

const SGLANG: PythonEngine = PythonEngine {
    name: "SGLang",
    package: "sglang",
    source: "srt/server_args.py",
    // Early versions spelled the flag in another way.
    text: ENDPOINT_FLAG,
    to_add: "--enable-trace --otlp-traces-endpoint",
};

pub(super) fn plan(
    plan: &mut TelemetryPlan,
    argv: &[OsString],
    first: usize,
    launch: &PythonLaunch,
    installed: &dyn Installed,
) {
    let protocol = plan.standard.traces_protocol().unwrap_or(Protocol::Grpc);
    let endpoint = match protocol {
        Protocol::Grpc => Endpoint::GrpcBare,
        Protocol::Http => Endpoint::HttpTraces,
    };
    let is_enabled = flags(argv, first, ENABLE).next().is_some();
    if !is_enabled {
        if !SGLANG.can_trace(plan, launch, installed, protocol) {
            return;
        }
        plan.arguments.push(Argument::text(ENABLE));
    }
    match flags(argv, first, ENDPOINT_FLAG).last() {
        Some(flag) => {
            let Some(value) = lead(plan, &flag, endpoint) else { return };
            // SGLang's exporter over gRPC never uses TLS.
            let url = super::endpoint::url_of(value, true);
            plan.set_traces_upstream(&url, Some(protocol));
        }
        None => {
            add(plan, endpoint);
            if is_enabled {
                plan.set_traces_upstream(DEFAULT_ENDPOINT, Some(protocol));
            }
        }
    }
    if !is_enabled {
        plan.note_added(SGLANG.name, ENABLE);
    }
}

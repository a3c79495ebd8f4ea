//! vLLM: `--otlp-traces-endpoint`, gRPC unless `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` says HTTP
//! (`vllm/tracing`, `vllm/engine/arg_utils.py`; the general variable for the protocol is not read).

use std::ffi::OsString;

use super::TelemetryPlan;
use super::arguments::{Endpoint, flags};
use super::endpoint::Protocol;
use super::installed::{Installed, PythonLaunch};
use super::python_engine::{ENDPOINT_FLAG, PythonEngine, add, lead};

const VLLM: PythonEngine = PythonEngine {
    name: "vLLM",
    package: "vllm",
    source: "engine/arg_utils.py",
    text: "otlp_traces_endpoint",
    to_add: ENDPOINT_FLAG,
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
        Protocol::Grpc => Endpoint::Grpc,
        Protocol::Http => Endpoint::HttpTraces,
    };
    // The last one counts.
    if let Some(flag) = flags(argv, first, ENDPOINT_FLAG).last() {
        if let Some(value) = lead(plan, &flag, endpoint) {
            plan.set_traces_upstream(value, Some(protocol));
        }
        return;
    }
    if plan.standard.is_set("VLLM_USE_RUST_FRONTEND") {
        let note = "vLLM: its Rust frontend does not trace; requests are known from the hook only";
        return plan.notes.push(note.to_owned());
    }
    if VLLM.can_trace(plan, launch, installed, protocol) {
        add(plan, endpoint);
        plan.note_added(VLLM.name, ENDPOINT_FLAG);
    }
}

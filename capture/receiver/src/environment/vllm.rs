//! vLLM: `--otlp-traces-endpoint`, gRPC unless `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` says HTTP
//! (`vllm/tracing`, `vllm/engine/arg_utils.py`; the general variable for the protocol is not read).

use std::ffi::OsString;

use super::TelemetryPlan;
use super::arguments::{Argument, Endpoint, flags};
use super::endpoint::Protocol;
use super::installed::{Installed, PythonLaunch, PythonRequirement};

const FLAG: &str = "--otlp-traces-endpoint";

pub(super) fn plan(
    plan: &mut TelemetryPlan,
    argv: &[OsString],
    first: usize,
    launch: &PythonLaunch,
    installed: &dyn Installed,
) {
    let protocol = plan.standard.traces_protocol().unwrap_or(Protocol::Grpc);
    let (endpoint, exporter) = match protocol {
        Protocol::Grpc => (Endpoint::Grpc, "opentelemetry.exporter.otlp.proto.grpc"),
        Protocol::Http => (Endpoint::HttpTraces, "opentelemetry.exporter.otlp.proto.http"),
    };
    // The last one counts.
    if let Some(flag) = flags(argv, first, FLAG).last() {
        let Some(value) = flag.value else { return };
        plan.arguments[flag.value_at] = Argument::Endpoint(
            if flag.is_joined { "--otlp-traces-endpoint=" } else { "" },
            endpoint,
        );
        plan.set_traces_upstream(value, Some(protocol));
        return;
    }
    if plan.standard.is_set("VLLM_USE_RUST_FRONTEND") {
        let note = "vLLM: its Rust frontend does not trace; requests are known from the hook only";
        return plan.notes.push(note.to_owned());
    }
    let requirement = PythonRequirement {
        modules: &["vllm", "opentelemetry.sdk", exporter],
        source: "engine/arg_utils.py",
        text: "otlp_traces_endpoint",
    };
    match installed.python_has(launch, &requirement) {
        Some(true) => {
            plan.arguments.push(Argument::text(FLAG));
            plan.arguments.push(Argument::Endpoint("", endpoint));
            plan.note_added("vLLM", FLAG);
        }
        Some(false) => plan.notes.push(
            "vLLM: no request spans, since opentelemetry-sdk and opentelemetry-exporter-otlp are \
             not installed beside it (or it is too old to trace)"
                .to_owned(),
        ),
        None => plan.notes.push(format!(
            "vLLM: its Python could not be asked whether it can trace; for request spans, add \
             {FLAG} $OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
        )),
    }
}

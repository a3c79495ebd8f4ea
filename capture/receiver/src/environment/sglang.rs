//! SGLang: `--enable-trace` and `--otlp-traces-endpoint` (default `localhost:4317`), gRPC unless
//! `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` says HTTP (`sglang/srt/server_args.py`).

use std::ffi::OsString;

use super::TelemetryPlan;
use super::arguments::{Argument, Endpoint, flags};
use super::endpoint::Protocol;
use super::installed::{Installed, PythonLaunch, PythonRequirement};

const ENABLE: &str = "--enable-trace";
const FLAG: &str = "--otlp-traces-endpoint";
const DEFAULT_ENDPOINT: &str = "http://localhost:4317";

pub(super) fn plan(
    plan: &mut TelemetryPlan,
    argv: &[OsString],
    first: usize,
    launch: &PythonLaunch,
    installed: &dyn Installed,
) {
    let protocol = plan.standard.traces_protocol().unwrap_or(Protocol::Grpc);
    let (endpoint, exporter) = match protocol {
        Protocol::Grpc => (Endpoint::GrpcBare, "opentelemetry.exporter.otlp.proto.grpc"),
        Protocol::Http => (Endpoint::HttpTraces, "opentelemetry.exporter.otlp.proto.http"),
    };
    let is_enabled = flags(argv, first, ENABLE).next().is_some();
    let flag = flags(argv, first, FLAG).last();
    if !is_enabled {
        let requirement = PythonRequirement {
            modules: &["sglang", "opentelemetry.sdk", exporter],
            source: "srt/server_args.py",
            // Early versions spelled the flag in another way.
            text: FLAG,
        };
        match installed.python_has(launch, &requirement) {
            Some(true) => plan.arguments.push(Argument::text(ENABLE)),
            Some(false) => {
                return plan.notes.push(
                    "SGLang: no request spans, since opentelemetry-sdk and \
                     opentelemetry-exporter-otlp are not installed beside it (or it is too old to \
                     trace)"
                        .to_owned(),
                );
            }
            None => {
                return plan.notes.push(format!(
                    "SGLang: its Python could not be asked whether it can trace; for request \
                     spans, add {ENABLE} {FLAG} $OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
                ));
            }
        }
    }
    match flag {
        Some(flag) => {
            let Some(value) = flag.value else { return };
            plan.arguments[flag.value_at] = Argument::Endpoint(
                if flag.is_joined { "--otlp-traces-endpoint=" } else { "" },
                endpoint,
            );
            // SGLang's exporter over gRPC never uses TLS.
            let url = super::endpoint::url_of(value, true);
            plan.set_traces_upstream(&url, Some(protocol));
        }
        None => {
            plan.arguments.push(Argument::text(FLAG));
            plan.arguments.push(Argument::Endpoint("", endpoint));
            if is_enabled {
                plan.set_traces_upstream(DEFAULT_ENDPOINT, Some(protocol));
            }
        }
    }
    if !is_enabled {
        plan.note_added("SGLang", ENABLE);
    }
}

//! What vLLM and SGLang have in common: a flag that names the endpoint, and packages that their
//! Python needs before it is of any use.

use super::TelemetryPlan;
use super::arguments::{Argument, Endpoint, Flag};
use super::endpoint::Protocol;
use super::installed::{Installed, PythonLaunch, PythonRequirement};

/// Names the endpoint of spans.
pub(super) const ENDPOINT_FLAG: &str = "--otlp-traces-endpoint";
const JOINED: &str = "--otlp-traces-endpoint=";

/// An engine in Python, and how to tell that its version knows the flags.
pub(super) struct PythonEngine {
    /// What people call it.
    pub(super) name: &'static str,
    /// Its package.
    pub(super) package: &'static str,
    /// A file of the package that must hold `text`.
    pub(super) source: &'static str,
    /// What early versions lack.
    pub(super) text: &'static str,
    /// What a person would have to add.
    pub(super) to_add: &'static str,
}

impl PythonEngine {
    /// Whether its Python can export spans in this protocol; otherwise why not is noted.
    pub(super) fn can_trace(
        &self,
        plan: &mut TelemetryPlan,
        launch: &PythonLaunch,
        installed: &dyn Installed,
        protocol: Protocol,
    ) -> bool {
        let exporter = match protocol {
            Protocol::Grpc => "opentelemetry.exporter.otlp.proto.grpc",
            Protocol::Http => "opentelemetry.exporter.otlp.proto.http",
        };
        let modules = [self.package, "opentelemetry.sdk", exporter];
        let requirement =
            PythonRequirement { modules: &modules, source: self.source, text: self.text };
        let name = self.name;
        match installed.python_has(launch, &requirement) {
            Some(true) => return true,
            Some(false) => plan.notes.push(format!(
                "{name}: no request spans, since opentelemetry-sdk and opentelemetry-exporter-otlp \
                 are not installed beside it (or it is too old to trace)"
            )),
            None => plan.notes.push(format!(
                "{name}: its Python could not be asked whether it can trace; for request spans, \
                 add {} $OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                self.to_add
            )),
        }
        false
    }
}

/// Leads a flag that is there to the receiver; the endpoint that it named.
pub(super) fn lead<'a>(
    plan: &mut TelemetryPlan,
    flag: &Flag<'a>,
    endpoint: Endpoint,
) -> Option<&'a str> {
    let value = flag.value?;
    let before = if flag.is_joined { JOINED } else { "" };
    *plan.arguments.get_mut(flag.value_at)? = Argument::Endpoint(before, endpoint);
    Some(value)
}

/// Adds the flag.
pub(super) fn add(plan: &mut TelemetryPlan, endpoint: Endpoint) {
    plan.arguments.push(Argument::text(ENDPOINT_FLAG));
    plan.arguments.push(Argument::Endpoint("", endpoint));
}

//! The standard variables of OpenTelemetry.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::endpoint::{Protocol, headers_of, protocol_of, url_of, with_path};
use super::{Environment, Ports, base_name, proxy};
use crate::options::{Upstream, UpstreamProtocol, Upstreams};
use crate::signal::Signal;

const ENDPOINT: &str = "ENDPOINT";
const PROTOCOL: &str = "PROTOCOL";
const INSECURE: &str = "INSECURE";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";
const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
/// Spans that may wait in the server. The default of 2048 is a second of a busy server, and what
/// finds no room is lost without a word.
const QUEUE_SPANS: &str = "32768";

/// The variables that are set, as far as they are text. Empty ones are not set, as OpenTelemetry
/// has it.
#[derive(Debug, Clone)]
pub(super) struct Standard {
    values: BTreeMap<String, String>,
}

impl Standard {
    pub(super) fn of(environment: &Environment) -> Self {
        let values = environment.iter().filter_map(|(name, value)| {
            let (name, value) = (name.to_str()?, value.to_str()?.trim());
            (!value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        });
        Self { values: values.collect() }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Whether a switch is on.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.is_set(DISABLED)
    }

    fn own(&self, signal: Signal, what: &str) -> Option<&str> {
        self.value(&format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.variable_word()))
    }

    fn general(&self, what: &str) -> Option<&str> {
        self.value(&format!("OTEL_EXPORTER_OTLP_{what}"))
    }

    /// The variable of a signal, else the general one.
    fn either(&self, signal: Signal, what: &str) -> Option<&str> {
        self.own(signal, what).or_else(|| self.general(what))
    }

    fn protocol(&self, signal: Signal) -> Option<Protocol> {
        Protocol::named(self.either(signal, PROTOCOL)?)
    }

    /// The protocol that is set for spans alone.
    pub(super) fn traces_protocol(&self) -> Option<Protocol> {
        Protocol::named(self.own(Signal::Traces, PROTOCOL)?)
    }

    /// Where the variables send each signal.
    pub(super) fn upstreams(&self, argv: &[OsString], upstreams: &mut Upstreams) {
        for signal in Signal::ALL {
            let protocol = self.protocol(signal);
            let endpoint = match (self.own(signal, ENDPOINT), self.general(ENDPOINT)) {
                (Some(endpoint), _) => endpoint.to_owned(),
                (None, Some(endpoint)) => {
                    let url = url_of(endpoint, self.is_insecure(signal));
                    let protocol = protocol.or_else(|| protocol_of(&url));
                    // Exporters over HTTP add the path; over gRPC it does not matter.
                    if protocol == Some(Protocol::Grpc) {
                        url
                    } else {
                        with_path(&url, signal.http_path())
                    }
                }
                // Spans that are exported to where nobody needs to say.
                (None, None) if signal == Signal::Traces && self.exports_by_default(argv) => {
                    default_endpoint(protocol)
                }
                (None, None) => continue,
            };
            if let Ok(upstream) = self.upstream(&endpoint, signal, protocol) {
                upstreams.set(signal, upstream);
            }
        }
    }

    /// Whether the server seems to export spans to the default endpoint.
    fn exports_by_default(&self, argv: &[OsString]) -> bool {
        let is_chosen = self.value(EXPORTER).is_some_and(exports_otlp);
        let has_settings = self.values.keys().any(|name| name.starts_with("OTEL_EXPORTER_OTLP_"));
        let is_instrumented =
            argv.iter().any(|argument| base_name(argument) == "opentelemetry-instrument");
        is_chosen || (self.value(EXPORTER).is_none() && (has_settings || is_instrumented))
    }

    /// An endpoint with the headers and certificates that the variables set for it.
    ///
    /// # Errors
    /// A line for a person when it is no endpoint.
    pub(super) fn upstream(
        &self,
        endpoint: &str,
        signal: Signal,
        protocol: Option<Protocol>,
    ) -> Result<Upstream, String> {
        let url = url_of(endpoint, self.is_insecure(signal));
        if url.parse::<hyper::Uri>().is_err() {
            return Err(format!("{endpoint:?} is no endpoint: nothing is sent on to it"));
        }
        let path = |what| self.either(signal, what).map(PathBuf::from);
        Ok(Upstream {
            protocol: match protocol.or_else(|| protocol_of(&url)) {
                Some(Protocol::Grpc) => UpstreamProtocol::Grpc,
                Some(Protocol::Http) => UpstreamProtocol::Http,
                None => UpstreamProtocol::AsReceived,
            },
            url,
            headers: self.either(signal, "HEADERS").map(headers_of).unwrap_or_default(),
            certificate: path("CERTIFICATE"),
            client_identity: path("CLIENT_CERTIFICATE").zip(path("CLIENT_KEY")),
        })
    }

    fn is_insecure(&self, signal: Signal) -> bool {
        self.either(signal, INSECURE).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// What a person should know.
    pub(super) fn notes(&self, notes: &mut Vec<String>) {
        if self.is_disabled() {
            notes.push(format!("{DISABLED} is set: the server makes no spans"));
        }
        if let Some(exporter) = self.value(EXPORTER).filter(|exporter| !exports_otlp(exporter)) {
            notes.push(format!("{EXPORTER} is {exporter:?}: its spans do not come here"));
        }
    }

    /// Variables that lead exports to a receiver.
    pub(super) fn child(&self, ports: Ports) -> Vec<(String, String)> {
        let mut set = Vec::new();
        let own = |signal: Signal, what: &str| {
            format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.variable_word())
        };
        // Both ports speak both protocols. The path is told only where it is sure to be used.
        let endpoint = match self.protocol(Signal::Traces) {
            Some(Protocol::Http) => with_path(&at(ports.http), Signal::Traces.http_path()),
            _ => at(ports.grpc),
        };
        set.push((own(Signal::Traces, ENDPOINT), endpoint));
        set.push((own(Signal::Traces, INSECURE), "true".to_owned()));
        if self.general(ENDPOINT).is_some() {
            let protocol = self.general(PROTOCOL).and_then(Protocol::named);
            let port = if protocol == Some(Protocol::Http) { ports.http } else { ports.grpc };
            set.push(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), at(port)));
            // The general variable would hold for endpoints that are not ours too.
            for signal in [Signal::Metrics, Signal::Logs] {
                if self.own(signal, ENDPOINT).is_none() {
                    set.push((own(signal, INSECURE), "true".to_owned()));
                }
            }
        }
        if let Some(propagators) = self.value(PROPAGATORS)
            && !propagators.split(',').any(|name| name.trim() == "tracecontext")
            && propagators != "none"
        {
            set.push((PROPAGATORS.to_owned(), format!("{propagators},tracecontext")));
        }
        if self.value(QUEUE).is_none() {
            set.push((QUEUE.to_owned(), QUEUE_SPANS.to_owned()));
        }
        set.extend(proxy::exceptions(self));
        set
    }
}

fn exports_otlp(exporters: &str) -> bool {
    exporters.split(',').any(|exporter| exporter.trim().starts_with("otlp"))
}

fn at(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Where exporters send when no variable says it. The protocol that Python's take is gRPC.
fn default_endpoint(protocol: Option<Protocol>) -> String {
    match protocol {
        Some(Protocol::Http) => "http://localhost:4318/v1/traces",
        _ => "http://localhost:4317",
    }
    .to_owned()
}

//! The three signals of OpenTelemetry, and where they are exported to.
//!
//! <https://opentelemetry.io/docs/specs/otlp/>

use serde::Serialize;

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// All signals, in the order of their index.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// A number below three.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The path of exports over HTTP.
    pub(crate) fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// The path of exports over gRPC.
    pub(crate) fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }

    pub(crate) fn of_grpc_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.grpc_path() == path)
    }

    /// The signal of an HTTP path. `/` is where exporters of spans send when they are given an
    /// endpoint for spans that has no path: it is used as it stands.
    pub(crate) fn of_http_path(path: &str) -> Option<Self> {
        if path == "/" {
            return Some(Self::Traces);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        Self::ALL.into_iter().find(|signal| signal.http_path() == path)
    }

    /// The word in `OTEL_EXPORTER_OTLP_<WORD>_ENDPOINT`.
    pub(crate) fn variable_word(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }
}

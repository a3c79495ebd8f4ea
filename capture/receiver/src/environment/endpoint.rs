//! Endpoints as people write them.

use crate::percent::percent_decoded;

/// What exporters speak to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    /// From the value of `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "grpc" => Some(Self::Grpc),
            "http/protobuf" | "http/json" => Some(Self::Http),
            _ => None,
        }
    }
}

/// An endpoint as a URL. One without `http://` or `https://` has TLS unless the variables say that
/// it is insecure; so exporters over gRPC read it.
pub(super) fn url_of(endpoint: &str, is_insecure: bool) -> String {
    if endpoint.starts_with("http://") || endpoint.starts_with("https://") {
        return endpoint.to_owned();
    }
    let (_, host) = endpoint.split_once("://").unwrap_or(("", endpoint));
    format!("{}://{host}", if is_insecure { "http" } else { "https" })
}

/// The protocol that an endpoint's port or path tells.
pub(super) fn protocol_of(url: &str) -> Option<Protocol> {
    let (_, rest) = url.split_once("://")?;
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, path),
        None => (rest, ""),
    };
    if path.contains("v1/") {
        return Some(Protocol::Http);
    }
    match authority.rsplit_once(':')?.1 {
        "4317" => Some(Protocol::Grpc),
        "4318" => Some(Protocol::Http),
        _ => None,
    }
}

/// A general endpoint with the path of one signal behind it.
pub(super) fn with_path(url: &str, path: &str) -> String {
    format!("{}{path}", url.trim_end_matches('/'))
}

/// `OTEL_EXPORTER_OTLP_HEADERS`: `key=value,key=value`, percent-encoded, names in lower case.
pub(super) fn headers_of(text: &str) -> Vec<(String, String)> {
    text.split(',')
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (percent_decoded(name.trim()), percent_decoded(value.trim()));
            (!name.is_empty()).then(|| (name.to_ascii_lowercase(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_without_a_scheme_have_tls_unless_insecure() {
        for (endpoint, is_insecure, url) in [
            ("http://a:1/x", false, "http://a:1/x"),
            ("https://a:1", true, "https://a:1"),
            ("a:4317", false, "https://a:4317"),
            ("a:4317", true, "http://a:4317"),
            ("grpc://a:4317", true, "http://a:4317"),
        ] {
            assert_eq!(url_of(endpoint, is_insecure), url);
        }
    }

    #[test]
    fn ports_and_paths_tell_the_protocol() {
        for (url, protocol) in [
            ("http://a:4317", Some(Protocol::Grpc)),
            ("http://a:4317/", Some(Protocol::Grpc)),
            ("http://a:4318", Some(Protocol::Http)),
            ("https://api.a.example/otlp/v1/traces", Some(Protocol::Http)),
            ("http://[::1]:4318", Some(Protocol::Http)),
            ("https://a", None),
            ("https://a:443", None),
        ] {
            assert_eq!(protocol_of(url), protocol, "{url}");
        }
    }

    #[test]
    fn headers_are_decoded() {
        let headers = headers_of("Authorization=Basic%20a%3D%3D, x-team = gpu,broken,=,100%=5%zz");
        let expected = [("authorization", "Basic a=="), ("x-team", "gpu"), ("100%", "5%zz")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers, expected);
    }
}

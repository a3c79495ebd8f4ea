//! Which headers of an export go on with it.

use hyper::HeaderMap;
use hyper::header::HeaderName;

/// Headers that belong to one connection or one body, not to the export.
const OWN: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers that the user's endpoint gets: credentials, tenants, the exporter's name.
pub(super) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if is_forwarded(name, headers) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

fn is_forwarded(name: &HeaderName, headers: &HeaderMap) -> bool {
    let name = name.as_str();
    // Headers that `Connection` names belong to the connection too.
    let is_named = || {
        headers
            .get_all("connection")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|named| named.trim().eq_ignore_ascii_case(name)))
    };
    !OWN.contains(&name) && !name.starts_with("grpc-") && !is_named()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn credentials_go_on_and_the_connection_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "127.0.0.1:1"),
            ("content-length", "12"),
            ("content-type", "application/json"),
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("grpc-timeout", "10S"),
            ("te", "trailers"),
            ("authorization", "Bearer x"),
            ("x-scope-orgid", "a"),
            ("x-scope-orgid", "b"),
            ("user-agent", "OTel-OTLP-Exporter-Python/1.45.2"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let kept = forwarded(&headers);
        let mut names: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "user-agent", "x-scope-orgid", "x-scope-orgid"]);
    }
}

//! Keeps exports to this machine away from proxies.

use super::variables::Standard;

const PROXIES: &[&str] = &[
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "grpc_proxy",
];
/// gRPC reads its own variable, then the lower-case one; others read either.
const EXCEPTIONS: &[&str] = &["no_proxy", "NO_PROXY"];
const OWN_EXCEPTION: &str = "no_grpc_proxy";
const LOOPBACK: &str = "127.0.0.1";

/// The variables that make 127.0.0.1 an exception; none when there is no proxy.
pub(super) fn exceptions(standard: &Standard) -> Vec<(String, String)> {
    if !PROXIES.iter().any(|name| standard.value(name).is_some()) {
        return Vec::new();
    }
    let shared = EXCEPTIONS.iter().find_map(|name| standard.value(name)).unwrap_or_default();
    let own = standard.value(OWN_EXCEPTION);
    let set = EXCEPTIONS.iter().map(|name| (*name, standard.value(name).unwrap_or(shared)));
    set.chain(own.map(|value| (OWN_EXCEPTION, value)))
        .filter(|(_, value)| !value.split(',').any(|host| matches!(host.trim(), LOOPBACK | "*")))
        .map(|(name, value)| {
            let value =
                if value.is_empty() { LOOPBACK.to_owned() } else { format!("{value},{LOOPBACK}") };
            (name.to_owned(), value)
        })
        .collect()
}

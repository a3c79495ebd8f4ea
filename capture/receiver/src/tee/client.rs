//! Speaks OTLP to the user's endpoint.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, TE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::queue::Item;
use super::worker::Endpoint;
use crate::content::{Encoding, json_to_protobuf, rejected_items};
use crate::error::ReceiverError;
use crate::intake::{
    CONTENT_TYPE_GRPC, Compression, GRPC_ENCODING, GRPC_MESSAGE, GRPC_STATUS, PREFIX_BYTES,
    Transport, inflate_again,
};
use crate::options::{Limits, Upstream, UpstreamProtocol};
use crate::percent::percent_decoded;
use crate::signal::Signal;

/// Longest answer that is looked at.
const ANSWER_BYTES: usize = 64 << 10;
/// Longest part of an answer that is told.
const TOLD_BYTES: usize = 200;

type Http = HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What became of an attempt.
pub(crate) enum Outcome {
    Taken {
        n_rejected: u64,
    },
    /// It failed and may succeed later.
    Later {
        reason: String,
        after: Option<Duration>,
    },
    /// It will not succeed.
    Refused(String),
}

/// An endpoint and how to reach it.
pub(crate) struct Client {
    /// Requests over HTTP go here.
    http_uri: Uri,
    /// Calls over gRPC go here.
    grpc_uri: Uri,
    protocol: UpstreamProtocol,
    headers: Vec<(HeaderName, HeaderValue)>,
    http: Http,
    grpc: Http,
    timeout: Duration,
    /// Longest JSON export when inflated.
    body_bytes: usize,
}

impl Endpoint for Client {
    async fn send(&self, item: &Item) -> Outcome {
        match tokio::time::timeout(self.timeout, self.attempt(item)).await {
            Ok(outcome) => outcome,
            Err(_) => later(format!("no answer within {:?}", self.timeout)),
        }
    }
}

impl Client {
    /// Prepares to speak to `upstream`. Nothing is sent.
    ///
    /// # Errors
    /// When its URL is none, or its certificates cannot be read.
    pub(crate) fn new(
        upstream: &Upstream,
        signal: Signal,
        limits: &Limits,
    ) -> Result<Self, ReceiverError> {
        Self::build(upstream, signal, limits).map_err(|reason| ReceiverError::Upstream {
            url: upstream.url.clone(),
            signal: match signal {
                Signal::Traces => "traces",
                Signal::Metrics => "metrics",
                Signal::Logs => "logs",
            },
            reason,
        })
    }

    fn build(upstream: &Upstream, signal: Signal, limits: &Limits) -> Result<Self, String> {
        let uri = web_uri(&upstream.url)?;
        let mut grpc = uri.clone().into_parts();
        grpc.path_and_query = signal.grpc_path().parse().ok();
        let grpc_uri = Uri::from_parts(grpc).map_err(|error| error.to_string())?;
        let headers = upstream.headers.iter().map(|(name, value)| {
            let wrong = || format!("the header {name:?} cannot be sent");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            Ok((name, value))
        });
        let headers = headers.collect::<Result<_, String>>()?;
        let is_https = uri.scheme_str() == Some("https");
        let http = http_client(upstream, is_https)?;
        let tls = tls(upstream, is_https)?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let mut builder = HyperClient::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).timer(TokioTimer::new());
        let grpc = builder.http2_only(true).build(connector.enable_http2().build());
        Ok(Self {
            http_uri: uri,
            grpc_uri,
            protocol: upstream.protocol,
            headers,
            http,
            grpc,
            timeout: limits.upstream_timeout,
            body_bytes: limits.body_bytes,
        })
    }

    async fn attempt(&self, item: &Item) -> Outcome {
        let transport = match self.protocol {
            UpstreamProtocol::AsReceived => item.transport,
            UpstreamProtocol::Grpc => Transport::Grpc,
            UpstreamProtocol::Http => Transport::Http,
        };
        match transport {
            Transport::Http => self.send_http(item).await,
            Transport::Grpc => self.send_grpc(item).await,
        }
    }

    fn request(&self, uri: &Uri, item: &Item, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.clone_from(&item.headers);
        for (name, value) in &self.headers {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        request
    }

    async fn send_http(&self, item: &Item) -> Outcome {
        let mut request = self.request(&self.http_uri, item, item.body.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(item.encoding.content_type()));
        if item.compression != Compression::Identity {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(item.compression.name()));
        }
        let response = match self.http.request(request).await {
            Ok(response) => response,
            Err(error) => return later(chain(&error)),
        };
        let (status, after) = (response.status(), retry_after(response.headers()));
        let (answer, _) = receive(response).await;
        if status.is_success() {
            return Outcome::Taken { n_rejected: rejected_items(&answer, item.encoding) };
        }
        let reason = format!("{status}: {}", told(&answer));
        // <https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes>
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Outcome::Later { reason, after },
            _ => Outcome::Refused(reason),
        }
    }

    async fn send_grpc(&self, item: &Item) -> Outcome {
        let (message, compression) = match item.encoding {
            Encoding::Protobuf => (item.body.clone(), item.compression),
            Encoding::Json => match self.protobuf_of(item) {
                Ok(message) => (message, Compression::Identity),
                Err(reason) => return Outcome::Refused(reason),
            },
        };
        let is_compressed = compression != Compression::Identity;
        let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        framed.put_u8(is_compressed.into());
        // Bodies are bounded far below 4 GiB.
        framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        framed.put(message);
        let mut request = self.request(&self.grpc_uri, item, framed.freeze());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, CONTENT_TYPE_GRPC);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        if is_compressed {
            headers.insert(GRPC_ENCODING, HeaderValue::from_static(compression.name()));
        }
        let response = match self.grpc.request(request).await {
            Ok(response) => response,
            Err(error) => return later(chain(&error)),
        };
        let (http_status, head) = (response.status(), response.headers().clone());
        let (answer, trailers) = receive(response).await;
        // A refusal may come without a body: its status is then in the head.
        let status = |headers: &HeaderMap| {
            headers.get(GRPC_STATUS).and_then(|value| value.to_str().ok()?.parse::<u32>().ok())
        };
        let code = status(&trailers).or_else(|| status(&head));
        let message = trailers.get(GRPC_MESSAGE).or_else(|| head.get(GRPC_MESSAGE));
        let message = message.map_or("", |value| value.to_str().unwrap_or_default());
        let message = told(percent_decoded(message).as_bytes());
        let after = retry_after(&head);
        match code {
            Some(0) => {
                let answer = answer.get(PREFIX_BYTES..).unwrap_or_default();
                Outcome::Taken { n_rejected: rejected_items(answer, Encoding::Protobuf) }
            }
            // <https://opentelemetry.io/docs/specs/otlp/#failures>
            Some(code @ (1 | 4 | 8 | 10 | 11 | 14 | 15)) => {
                Outcome::Later { reason: format!("gRPC status {code}: {message}"), after }
            }
            Some(code) => Outcome::Refused(format!("gRPC status {code}: {message}")),
            // <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
            None if http_status == StatusCode::OK
                || matches!(http_status.as_u16(), 429 | 502 | 503 | 504) =>
            {
                Outcome::Later { reason: format!("{http_status} without a gRPC status"), after }
            }
            None => Outcome::Refused(format!("{http_status} without a gRPC status")),
        }
    }

    fn protobuf_of(&self, item: &Item) -> Result<Bytes, String> {
        let json = inflate_again(item.compression, &item.body, self.body_bytes)
            .ok_or("an export in JSON that no longer inflates")?;
        let message = json_to_protobuf(&json, item.signal)
            .map_err(|fault| format!("JSON that has no form in protobuf: {fault}"))?;
        Ok(message.into())
    }
}

/// An http or https address.
pub(super) fn web_uri(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|error| format!("not a URL ({error})"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
        return Err("not an http or https URL".to_owned());
    }
    Ok(uri)
}

/// A client that speaks HTTP/1.1.
pub(super) fn http_client(upstream: &Upstream, is_https: bool) -> Result<Http, String> {
    let tls = tls(upstream, is_https)?;
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let mut builder = HyperClient::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).timer(TokioTimer::new());
    Ok(builder.build(connector.enable_http1().build()))
}

fn later(reason: String) -> Outcome {
    Outcome::Later { reason, after: None }
}

/// The wait an endpoint asks for, in seconds. Dates are not looked at: the waits grow anyhow.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The answer as far as it comes, and its trailers. The connection can be used again only after
/// it was read.
pub(super) async fn receive(response: Response<Incoming>) -> (Bytes, HeaderMap) {
    match Limited::new(response.into_body(), ANSWER_BYTES).collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            (collected.to_bytes(), trailers)
        }
        Err(_) => (Bytes::new(), HeaderMap::new()),
    }
}

/// An answer as a part of a message.
pub(super) fn told(answer: &[u8]) -> String {
    let answer = &answer[..answer.len().min(TOLD_BYTES)];
    let text = String::from_utf8_lossy(answer);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// An error and what caused it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The authorities to trust and the client's own certificate. Nothing is loaded when no TLS is
/// asked for.
fn tls(upstream: &Upstream, is_needed: bool) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &upstream.certificate {
        _ if !is_needed => {}
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        // What the system has and cannot read shows when the endpoint is not trusted.
        None => {
            let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    match &upstream.client_identity {
        Some((certificate, key)) if is_needed => {
            let chain = certificates(certificate)?;
            let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", key.display());
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(&error))?;
            config.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
        }
        _ => Ok(config.with_no_client_auth()),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let pem = std::fs::read(path).map_err(|error: io::Error| wrong(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| wrong(&error))?;
    if found.is_empty() {
        return Err(wrong(&"holds no certificate"));
    }
    Ok(found)
}

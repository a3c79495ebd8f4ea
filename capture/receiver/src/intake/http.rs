//! Exports over HTTP: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::serve::ResponseBody;
use super::{Compression, Export, Intake, Refusal, Transport, body};
use crate::content::{Encoding, check, status_message};
use crate::signal::Signal;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// `INVALID_ARGUMENT` and `UNAVAILABLE` of `google.rpc.Code`.
const INVALID_ARGUMENT: u32 = 3;
const UNAVAILABLE: u32 = 14;

impl Encoding {
    /// The encoding a content type names. Parameters do not matter.
    fn of_content_type(headers: &HeaderMap) -> Option<Self> {
        let written = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        match written.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            PROTOBUF | "application/protobuf" => Some(Self::Protobuf),
            JSON => Some(Self::Json),
            _ => None,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => PROTOBUF,
            Self::Json => JSON,
        }
    }
}

pub(super) async fn answer(intake: &Intake, request: Request<Incoming>) -> Response<ResponseBody> {
    let encoding = Encoding::of_content_type(request.headers()).unwrap_or(Encoding::Json);
    match export(intake, request).await {
        // An empty message: nothing was rejected.
        Ok(()) => {
            let body: &[u8] = if encoding == Encoding::Json { b"{}" } else { b"" };
            respond(StatusCode::OK, encoding, Bytes::from_static(body))
        }
        Err(refusal) => {
            refusal.count(&intake.counted);
            refuse(&refusal, encoding)
        }
    }
}

async fn export(intake: &Intake, request: Request<Incoming>) -> Result<(), Refusal> {
    let (parts, body) = request.into_parts();
    let signal = Signal::of_http_path(parts.uri.path()).ok_or(Refusal::UnknownPath)?;
    if parts.method != Method::POST {
        return Err(Refusal::Method);
    }
    let encoding = Encoding::of_content_type(&parts.headers).ok_or(Refusal::ContentType)?;
    let compression = match parts.headers.get(CONTENT_ENCODING) {
        Some(name) => Compression::named(name.as_bytes())?,
        None => Compression::Identity,
    };
    let mut share = intake.budget.share();
    let body = body::receive(body, &intake.limits, &mut share).await?;
    let payload = compression.inflate(&body, intake.limits.body_bytes, &mut share)?;
    let n_items =
        check(&payload, signal, encoding).map_err(|fault| Refusal::Malformed(fault.to_string()))?;
    let headers = parts.headers;
    let transport = Transport::Http;
    let export =
        Export { signal, encoding, transport, body, compression, headers, payload, n_items };
    intake.take(export).await;
    Ok(())
}

fn refuse(refusal: &Refusal, encoding: Encoding) -> Response<ResponseBody> {
    let status = match refusal {
        Refusal::UnknownPath => StatusCode::NOT_FOUND,
        Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::ContentType | Refusal::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Stalled { .. } => StatusCode::REQUEST_TIMEOUT,
        Refusal::BrokenOff | Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
    };
    let code = if matches!(refusal, Refusal::Busy) { UNAVAILABLE } else { INVALID_ARGUMENT };
    let message = status_message(code, &refusal.to_string(), encoding);
    let mut response = respond(status, encoding, message.into());
    let headers = response.headers_mut();
    match refusal {
        Refusal::Method => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
        Refusal::Busy => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))),
        _ => {}
    }
    response
}

fn respond(status: StatusCode, encoding: Encoding, body: Bytes) -> Response<ResponseBody> {
    let mut response =
        Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(encoding.content_type());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

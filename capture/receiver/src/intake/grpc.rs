//! Exports over gRPC: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
//!
//! An export is one message with five bytes in front: whether it is compressed, and its length
//! (four bytes, the highest first). The answer is an empty message and the status in trailers; a
//! refusal is the status alone, in headers. Messages are not decoded: they go on as they are.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};

use super::serve::ResponseBody;
use super::{Compression, Export, Intake, Refusal, Transport, body};
use crate::content::{Encoding, check};
use crate::percent::percent_encoded;
use crate::signal::Signal;

/// Bytes in front of a message.
pub(crate) const PREFIX_BYTES: usize = 5;
pub(crate) const CONTENT_TYPE_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
pub(crate) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Whether a request is a gRPC call with protobuf messages.
pub(super) fn is_call(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.starts_with(b"application/grpc") && matches!(value.get(16), None | Some(b'+' | b';'))
    })
}

pub(super) async fn answer(intake: &Intake, request: Request<Incoming>) -> Response<ResponseBody> {
    match export(intake, request).await {
        Ok(()) => {
            let mut trailers = HeaderMap::new();
            trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
            let message = Full::new(Bytes::from_static(&[0; PREFIX_BYTES]));
            let message = message.map_err(|never| match never {});
            let body = message.with_trailers(std::future::ready(Some(Ok(trailers))));
            respond(body.boxed_unsync())
        }
        Err(refusal) => {
            refusal.count(&intake.counted);
            let mut response = respond(Empty::new().map_err(|never| match never {}).boxed_unsync());
            let headers = response.headers_mut();
            headers.insert(GRPC_STATUS, HeaderValue::from_static(status_of(&refusal)));
            if let Ok(message) = HeaderValue::from_str(&percent_encoded(&refusal.to_string())) {
                headers.insert(GRPC_MESSAGE, message);
            }
            let encodings = HeaderValue::from_static("identity,gzip,deflate,zstd");
            headers.insert(GRPC_ACCEPT_ENCODING, encodings);
            response
        }
    }
}

async fn export(intake: &Intake, request: Request<Incoming>) -> Result<(), Refusal> {
    let (parts, body) = request.into_parts();
    let signal = Signal::of_grpc_path(parts.uri.path()).ok_or(Refusal::UnknownPath)?;
    if parts.method != Method::POST {
        return Err(Refusal::Method);
    }
    let named = match parts.headers.get(GRPC_ENCODING) {
        Some(name) => Compression::named(name.as_bytes())?,
        None => Compression::Identity,
    };
    let mut share = intake.budget.share();
    let framed = body::receive(body, &intake.limits, &mut share).await?;
    let (body, is_compressed) = message(&framed)?;
    let compression = if is_compressed { named } else { Compression::Identity };
    if is_compressed && named == Compression::Identity {
        let what = "a compressed message, and no word how it is compressed";
        return Err(Refusal::Malformed(what.to_owned()));
    }
    let payload = compression.inflate(&body, intake.limits.body_bytes, &mut share)?;
    let encoding = Encoding::Protobuf;
    let n_items =
        check(&payload, signal, encoding).map_err(|fault| Refusal::Malformed(fault.to_string()))?;
    let headers = parts.headers;
    let transport = Transport::Grpc;
    let export =
        Export { signal, encoding, transport, body, compression, headers, payload, n_items };
    intake.take(export).await;
    Ok(())
}

/// The one message of a call, and whether it is compressed.
fn message(framed: &Bytes) -> Result<(Bytes, bool), Refusal> {
    let malformed = |what: &str| Refusal::Malformed(what.to_owned());
    let Some(([flag, length @ ..], rest)) = framed.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(malformed("no message"));
    };
    if *flag > 1 {
        return Err(malformed("a message that is neither compressed nor plain"));
    }
    if rest.len() as u64 != u64::from(u32::from_be_bytes(*length)) {
        return Err(malformed("a message of another length than it says"));
    }
    Ok((framed.slice(PREFIX_BYTES..), *flag == 1))
}

/// <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>
fn status_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownPath | Refusal::ContentEncoding => "12", // UNIMPLEMENTED
        Refusal::TooLarge { .. } => "8",                         // RESOURCE_EXHAUSTED
        Refusal::Stalled { .. } => "4",                          // DEADLINE_EXCEEDED
        Refusal::BrokenOff => "1",                               // CANCELLED
        Refusal::Busy => "14",                                   // UNAVAILABLE
        // INVALID_ARGUMENT
        Refusal::Method | Refusal::ContentType | Refusal::Malformed(_) => "3",
    }
}

fn respond(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, CONTENT_TYPE_GRPC);
    response
}

//! What is in the body of an export: is it what it says, and how much is it.
//!
//! An export that is accepted goes into the spool file and to the user's endpoint as it is; one
//! that a reader of the spool file would stumble over must not get that far.

mod json;
mod protobuf;
mod requests;
mod schema;
mod transcode;

use underspan_wire::{Field, Fields, WireFault, put_bytes, put_tag, put_varint};

use crate::signal::Signal;

pub use requests::FinishedRequest;
pub(crate) use requests::requests;
pub(crate) use transcode::json_to_protobuf;

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// Why a body is no export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("at byte {at}: expected {expected}")]
    Protobuf { at: usize, expected: &'static str },
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

impl From<WireFault> for Fault {
    fn from(fault: WireFault) -> Self {
        Self::Protobuf { at: fault.at, expected: fault.expected }
    }
}

/// Checks the body of an export and counts its spans, metrics or log records.
pub(crate) fn check(body: &[u8], signal: Signal, encoding: Encoding) -> Result<u64, Fault> {
    match encoding {
        Encoding::Protobuf => protobuf::check(body, signal),
        Encoding::Json => json::check(body, signal),
    }
}

/// A `google.rpc.Status`, which is what a refused export is answered with over HTTP.
pub(crate) fn status_message(code: u32, message: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json => {
            serde_json::json!({ "code": code, "message": message }).to_string().into_bytes()
        }
        Encoding::Protobuf => {
            let mut status = Vec::new();
            put_tag(&mut status, 1, 0);
            put_varint(&mut status, code.into());
            put_bytes(&mut status, 2, message.as_bytes());
            status
        }
    }
}

/// How many items the endpoint says it rejected, in its answer to an export that it took: an
/// `Export…ServiceResponse`, whose field 1 is a message with the number in its field 1.
pub(crate) fn rejected_items(answer: &[u8], encoding: Encoding) -> u64 {
    if encoding == Encoding::Json {
        let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
        let Some(partial) = answer.get("partialSuccess").and_then(|value| value.as_object()) else {
            return 0;
        };
        let rejected = partial.iter().find(|(key, _)| key.starts_with("rejected"));
        return rejected.map_or(0, |(_, count)| {
            count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap_or(0)
        });
    }
    let fields = Fields::of(answer).map_while(Result::ok);
    let partial = fields.filter_map(|(number, field)| match field {
        Field::Bytes(partial) if number == 1 => Some(partial),
        _ => None,
    });
    partial
        .flat_map(|partial| Fields::of(partial).map_while(Result::ok))
        .filter_map(|(number, field)| match field {
            Field::Varint(count) if number == 1 => Some(count),
            _ => None,
        })
        .fold(0, u64::saturating_add)
}

//! Receives a body: bounded in bytes, memory and time.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::Refusal;
use super::budget::Share;
use crate::options::Limits;

/// Most that is set aside for a body before it is there.
const RESERVE_BYTES: u64 = 1 << 20;

pub(super) async fn receive(
    body: Incoming,
    limits: &Limits,
    share: &mut Share,
) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(Refusal::TooLarge { limit: limits.body_bytes });
    }
    let received = tokio::time::timeout(limits.body_time, collect(body, limits.body_bytes, share));
    received.await.unwrap_or(Err(Refusal::Stalled { seconds: limits.body_time.as_secs() }))
}

async fn collect(mut body: Incoming, limit: usize, share: &mut Share) -> Result<Bytes, Refusal> {
    let announced = body.size_hint().lower().min(RESERVE_BYTES);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BrokenOff)?.into_data() else { continue };
        if data.len() > limit - whole.len() {
            return Err(Refusal::TooLarge { limit });
        }
        share.grow(data.len())?;
        if whole.is_empty() {
            if body.is_end_stream() {
                return Ok(data);
            }
            whole.reserve(announced as usize);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

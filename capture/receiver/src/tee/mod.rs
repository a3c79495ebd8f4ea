//! The side that sends exports on to the user's own endpoint.
//!
//! Each signal with an endpoint has a queue, bounded in bytes, and a few workers that empty it.
//! What arrives when the queue is full is dropped and counted: whoever exports never waits.

mod backoff;
mod client;
mod headers;
mod post;
mod queue;
mod worker;

pub(crate) use client::Client;
pub use post::post_json;
pub(crate) use queue::{Item, Queue};
pub(crate) use worker::run;

/// Exports of one signal that are sent at a time.
pub(crate) const WORKERS: usize = 4;

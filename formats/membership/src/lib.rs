//! Reads what the Python hook says about engine steps and requests.
//!
//! The hook hands the same bytes to the collector and to its own file: delta payloads that say who
//! was in a step ([`StepDecoder`]) and request records that say under which
//! names a request is known ([`RequestRecord`]). A file wraps them in frames ([`FrameReader`],
//! [`Frame`]). `capture/hook/README.md` describes every byte.
//!
//! Members become rows of a capture in one place ([`StepMembers::push_rows`]), for whoever reads the
//! bytes.
//!
//! Input is untrusted: every number is bounded before it is believed, and nothing panics.

mod cursor;
mod delta;
mod error;
mod file;
mod frame;
mod request;
mod rows;
mod series;

pub use delta::StepDecoder;
pub use error::MembershipError;
pub use file::{FILE_HEAD_BYTES, FileHead, FrameReader, MAGIC, NextFrame};
pub use frame::{Frame, StepBegin, StepEnd, step_flags};
pub use request::{RecordSource, RequestRecord, RequestTimes};
pub use series::{Member, MemberPhase, StepCounts, StepMembers};

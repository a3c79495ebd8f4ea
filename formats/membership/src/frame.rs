//! The frames of a hook's file.

use crate::MembershipError;
use crate::cursor::Cursor;

const PROCESS: u8 = 1;
const ANCHOR: u8 = 2;
const STEP_BEGIN: u8 = 3;
const STEP_END: u8 = 4;
const REQUEST: u8 = 5;
const NOTE: u8 = 6;

/// Flags of a step, the same in a file and in the collector's C functions.
pub mod step_flags {
    /// The bits that hold what the engine calls the step.
    pub const MODE_MASK: u32 = 15;
    /// The engine says that prompts are processed.
    pub const MODE_PREFILL: u32 = 1;
    /// The engine says that tokens are produced.
    pub const MODE_DECODE: u32 = 2;
    /// The engine says that both happens.
    pub const MODE_MIXED: u32 = 3;
    /// No forward pass: the batch stays as it was, the delta carries events only.
    pub const EMPTY: u32 = 1 << 4;
    /// Draft tokens are verified.
    pub const SPECULATIVE: u32 = 1 << 5;
    /// The sampling of the step before; told to the collector only, a file has it in the step's end.
    pub const CONTINUES: u32 = 1 << 6;
}

const END_FAILED: u8 = 1;
const END_HAS_SAMPLE: u8 = 2;

/// A step that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepBegin<'a> {
    /// Number of the step in its process.
    pub step_id: u64,
    /// `CLOCK_MONOTONIC`.
    pub begin_ns: i64,
    /// Members in it.
    pub n_members: u32,
    /// Thread that runs it.
    pub tid: u32,
    /// See [`step_flags`].
    pub flags: u32,
    /// The delta payload, for [`StepDecoder::apply`](crate::StepDecoder::apply).
    pub delta: &'a [u8],
}

/// A step that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepEnd {
    /// Number of the step in its process.
    pub step_id: u64,
    /// `CLOCK_MONOTONIC` when its forward pass had been issued.
    pub end_ns: i64,
    /// When its sampling, a call of its own, began and had been issued.
    pub sample_ns: Option<(i64, i64)>,
    /// The engine raised an error in it.
    pub has_failed: bool,
}

/// One frame of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame<'a> {
    /// What the process is, as JSON.
    Process(&'a [u8]),
    /// Both clocks read together: realtime, monotonic, and how far apart at most, in ns.
    Anchor(i64, i64, u32),
    /// A step begins.
    StepBegin(StepBegin<'a>),
    /// A step ended.
    StepEnd(StepEnd),
    /// A request record, for [`RequestRecord::parse`](crate::RequestRecord::parse).
    Request(&'a [u8]),
    /// A note of the hook about itself, as JSON.
    Note(&'a [u8]),
    /// A frame of a later version.
    Unknown(u8),
}

impl<'a> Frame<'a> {
    /// Reads the body of a frame.
    ///
    /// # Errors
    /// When it ends early.
    pub fn parse(body: &'a [u8]) -> Result<Self, MembershipError> {
        let mut cursor = Cursor::new(body);
        Ok(match cursor.u8("the kind of a frame")? {
            PROCESS => Self::Process(cursor.rest()),
            ANCHOR => Self::Anchor(
                i64::from_le_bytes(cursor.array("a time")?),
                i64::from_le_bytes(cursor.array("a time")?),
                u32::from_le_bytes(cursor.array("a time")?),
            ),
            STEP_BEGIN => {
                let flags = cursor.u8("flags")?.into();
                Self::StepBegin(StepBegin {
                    flags,
                    n_members: u32::from_le_bytes(cursor.array("a number of members")?),
                    tid: u32::from_le_bytes(cursor.array("a thread id")?),
                    step_id: u64::from_le_bytes(cursor.array("a step's number")?),
                    begin_ns: i64::from_le_bytes(cursor.array("a time")?),
                    delta: cursor.rest(),
                })
            }
            STEP_END => {
                let flags = cursor.u8("flags")?;
                let step_id = u64::from_le_bytes(cursor.array("a step's number")?);
                let end_ns = i64::from_le_bytes(cursor.array("a time")?);
                let sample_ns = if flags & END_HAS_SAMPLE != 0 {
                    let begin = i64::from_le_bytes(cursor.array("a time")?);
                    Some((begin, i64::from_le_bytes(cursor.array("a time")?)))
                } else {
                    None
                };
                let has_failed = flags & END_FAILED != 0;
                Self::StepEnd(StepEnd { step_id, end_ns, sample_ns, has_failed })
            }
            REQUEST => Self::Request(cursor.rest()),
            NOTE => Self::Note(cursor.rest()),
            kind => Self::Unknown(kind),
        })
    }
}

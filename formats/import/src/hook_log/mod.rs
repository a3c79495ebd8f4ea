//! Files of the Python hook: who was in each engine step, and the names of requests.
//!
//! `capture/hook/README.md` describes the bytes; `underspan-membership` reads them. A file is one
//! process's. Its times are monotonic and are moved to the wall clock by the anchors in it.

mod clock;
mod notes;
mod rows;

use underspan_membership::{FILE_HEAD_BYTES, FileHead, Frame, FrameReader, MAGIC, NextFrame};
use underspan_model::{ProblemKind, Timeline};

use crate::importer::timeline_of;
use crate::input::{Ending, InputFile};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

use rows::Rows;

const BLOCK_BYTES: usize = 1 << 20;

/// Reads the hook's files.
pub(crate) struct HookLog;

impl Importer for HookLog {
    fn format(&self) -> &'static str {
        "hook_log"
    }

    fn title(&self) -> &'static str {
        "a file of underspan's Python hook (.uhook)"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        if head.head.starts_with(MAGIC) { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let head = input.head();
        let head =
            FileHead::parse(head.get(..FILE_HEAD_BYTES).unwrap_or(head)).map_err(|error| {
                malformed(input, 0, "the head of a hook's file", &error.to_string())
            })?;
        let (timeline, source) = timeline_of(input, self.format());
        let mut rows = Rows::new(timeline, source, head.pid, input);
        let mut blocks = input.blocks(options)?;
        let mut block = vec![0; BLOCK_BYTES];
        let mut frames = FrameReader::new(head.length as u64);
        let mut to_skip = head.length;
        let cut = loop {
            if progress.is_cancelled() {
                return Err(ImportError::Cancelled { path: input.path().to_owned() });
            }
            let filled = blocks.fill(&mut block)?;
            let content = block.get(..filled).unwrap_or_default();
            let skipped = to_skip.min(filled);
            to_skip -= skipped;
            frames.feed(content.get(skipped..).unwrap_or_default());
            let cut = read_frames(&mut frames, &mut rows)?;
            progress.advance(blocks.file_bytes_read(), input.file_bytes());
            if matches!(cut, Cut::Lost(..)) || filled < block.len() {
                break cut;
            }
        };
        match cut {
            Cut::Lost(offset, length) => rows.problem(ProblemKind::TruncatedInput, || {
                format!("at byte {offset}: expected the length of a frame, found {length}")
            }),
            Cut::Between(_, 0) => {}
            Cut::Between(offset, left) => rows.problem(ProblemKind::TornTail, || {
                format!("at byte {offset}: expected a whole frame, found {left} bytes")
            }),
        }
        if blocks.ending() == Some(Ending::Truncated) {
            rows.problem(ProblemKind::TruncatedInput, || "the compressed data is cut off".into());
        }
        Ok(rows.finish())
    }
}

/// Where reading stopped.
enum Cut {
    /// At this offset, with so many bytes of a frame left over.
    Between(u64, usize),
    /// At this offset, where a frame claims an impossible length.
    Lost(u64, u32),
}

fn read_frames(frames: &mut FrameReader, rows: &mut Rows<'_>) -> Result<Cut, ImportError> {
    loop {
        match frames.next_frame() {
            NextFrame::Body { offset, body } => match Frame::parse(body) {
                Ok(frame) => rows.frame(offset, frame)?,
                Err(error) => rows.damage(offset, &error.to_string()),
            },
            NextFrame::Damaged { offset } => rows.damage(offset, "the checksum does not match"),
            NextFrame::More { offset, left } => return Ok(Cut::Between(offset, left)),
            NextFrame::Lost { offset, length } => return Ok(Cut::Lost(offset, length)),
        }
    }
}

fn malformed(input: &InputFile, offset: u64, expected: &str, found: &str) -> ImportError {
    ImportError::Malformed {
        path: input.path().to_owned(),
        offset,
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

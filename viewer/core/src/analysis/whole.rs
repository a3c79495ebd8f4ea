//! The whole timeline of a capture, which analyses need: at hand, or read from the file for them.

use std::ops::Deref;

use underspan_model::Timeline;
use underspan_model::tables::TableKind;

use super::{Analyses, Shown};
use crate::document::Document;
use crate::timeline::{TimeRange, bytes_text, count_text};

/// Memory that reading and analyzing an event takes: three times what was measured on kernels
/// alone, since calls have to be joined with what they launched.
const BYTES_PER_EVENT: u64 = 160;
/// Memory that may be used where the system does not say what is free.
const MEMORY_UNLESS_TOLD: u64 = 4 << 30;

/// All tables of a capture.
pub(super) enum Whole<'a> {
    AtHand(&'a Timeline),
    Read(Box<Timeline>),
}

impl Deref for Whole<'_> {
    type Target = Timeline;

    fn deref(&self) -> &Timeline {
        match self {
            Self::AtHand(timeline) => timeline,
            Self::Read(timeline) => timeline,
        }
    }
}

impl<'a> Whole<'a> {
    /// All tables of a document. In words why not: when there is too little memory, or the file is
    /// damaged.
    pub(super) fn of(document: &'a Document) -> Result<Self, String> {
        if document.is_in_memory() {
            return Ok(Self::AtHand(document.timeline()));
        }
        let needed = document.n_events().saturating_mul(BYTES_PER_EVENT);
        let limit = document.events.analysis_bytes().unwrap_or_else(usable_memory);
        if needed > limit {
            return Err(format!(
                "{} holds {} events: to analyze them takes about {} of memory, and {} may be used. \
                 `underspan analyze` on a larger machine says more, and so does a recording of \
                 less time.",
                document.name(),
                count_text(document.n_events()),
                bytes_text(needed),
                bytes_text(limit),
            ));
        }
        document.events.read_whole().map(|timeline| Self::Read(Box::new(timeline)))
    }
}

impl Analyses {
    /// Replaces rows by their times where the document numbers the rows of a table otherwise than
    /// `whole`, which is sorted.
    pub(super) fn use_rows_of(&mut self, document: &Document, whole: &Timeline) {
        if !document.events.is_sorted(TableKind::Span) {
            self.membership.forget_spans();
            self.requests.iter_mut().for_each(|request| request.bar = None);
        }
        let parts = self.requests.iter_mut().flat_map(|request| &mut request.parts);
        let of_parts = parts.flat_map(|part| &mut part.evidence);
        let causes = self.verdict.iter_mut().flat_map(|verdict| &mut verdict.causes);
        let of_causes = causes.flat_map(|cause| &mut cause.evidence);
        for shown in of_parts.chain(of_causes) {
            let Shown::Row(kind, row) = *shown else { continue };
            let table = whole.table(kind);
            let start = table.start_column().and_then(|starts| starts.get(row as usize));
            if document.events.is_sorted(kind) {
                continue;
            }
            let len = table.duration_column().and_then(|lens| lens.get(row as usize));
            if let Some((start, len)) = start.zip(len) {
                let end = start.saturating_add_unsigned(*len);
                *shown = Shown::Range(TimeRange::from_ns(*start, end));
            }
        }
    }
}

/// Half of what is free: the viewer is not the only program.
fn usable_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    available_bytes(&text).map_or(MEMORY_UNLESS_TOLD, |free| free / 2)
}

/// `MemAvailable` of Linux' `/proc/meminfo`.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read_as_linux_writes_it() {
        let text = "MemTotal:       24661744 kB\nMemAvailable:   23488624 kB\n";
        assert_eq!(available_bytes(text), Some(23_488_624 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB"), None);
    }
}

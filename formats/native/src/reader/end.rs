//! The writer's closing statement against what is there.

use underspan_model::tables::TableKind;

use super::{ChunkEntry, Fault, FaultKind, Reader};
use crate::chunk::EndChunk;
use crate::layout::{CHUNK_HEADER_LEN, ChunkKind};

impl Reader {
    /// Notes tables that do not have as many rows as the writer says it wrote.
    pub(crate) fn compare_with_end(
        &self,
        rows_of: impl Fn(TableKind) -> u64,
        faults: &mut Vec<Fault>,
    ) {
        let is_end = |entry: &&ChunkEntry| entry.header.kind == ChunkKind::End;
        let Some(entry) = self.chunks().iter().rev().find(is_end) else { return };
        let end = self.payload(entry).and_then(|payload| {
            EndChunk::read(payload, entry.header.rows)
                .map_err(|fault| Fault::in_payload(entry, fault))
        });
        let end = match end {
            Ok(end) => end,
            Err(fault) => return faults.push(fault),
        };
        // Rows of damaged chunks are counted where the damage is.
        let is_loss_known = faults
            .iter()
            .any(|fault| matches!(fault.kind, FaultKind::Corrupt | FaultKind::Missing));
        for (code, expected) in end.rows {
            let Some(kind) = TableKind::from_code(code) else { continue };
            let found = rows_of(kind);
            if found == expected || is_loss_known {
                continue;
            }
            let offset = entry.offset + CHUNK_HEADER_LEN as u64;
            let expected_text = format!("{expected} of {}", kind.name());
            faults.push(
                Fault::new(FaultKind::Missing, offset, "rows of a table", expected_text, found)
                    .with_count(expected.abs_diff(found)),
            );
        }
    }
}

//! From work on a device to the call that launched it, and back.

use underspan_model::tables::TableKind;
use underspan_model::{ColumnRef, NONE_U32, StreamId, ThreadId};

use super::{Cancel, event_at};
use crate::document::{Document, RowBlock};
use crate::state::EventRef;
use crate::timeline::TimeRange;

/// How far a launch may lie from its work.
const REACH_NS: u64 = 10_000_000_000;

/// What launched a kernel, copy or fill; for an API call the first work it launched. `None` when
/// the capture does not say.
///
/// # Errors
/// In words, when the file is damaged.
pub(crate) fn launch_partner(
    document: &Document,
    event: &EventRef,
    cancel: &Cancel,
) -> Result<Option<EventRef>, String> {
    let Some(table) = event.kind() else { return Ok(None) };
    let Some(id) = correlation_id(document, table, event, cancel)? else { return Ok(None) };
    let dimensions = &document.timeline().dimensions;
    let (partners, process, range): (&[TableKind], _, _) = match table {
        TableKind::Kernel | TableKind::Memcpy | TableKind::Memset | TableKind::GraphLaunch => (
            &[TableKind::ApiCall],
            dimensions.process_of_stream(StreamId::from_raw(event.key)),
            TimeRange::from_ns(event.start_ns.saturating_sub_unsigned(REACH_NS), event.end_ns),
        ),
        TableKind::ApiCall => (
            &[TableKind::Kernel, TableKind::Memcpy, TableKind::Memset, TableKind::GraphLaunch],
            dimensions.process_of_thread(ThreadId::from_raw(event.key)),
            TimeRange::from_ns(event.start_ns, event.end_ns.saturating_add_unsigned(REACH_NS)),
        ),
        _ => return Ok(None),
    };
    for partner in partners {
        let is_call = *partner == TableKind::ApiCall;
        let column = if is_call { "thread" } else { "stream" };
        let columns = [column, "correlation_id", "start_ns", "duration_ns"];
        let found = document.events.scan(*partner, range, &columns, cancel, |block| {
            let keys = block.u32s(column);
            let ids = block.u32s("correlation_id");
            block.rows().find_map(|row| {
                let key = *keys.get(row)?;
                let owner = match is_call {
                    true => dimensions.process_of_thread(ThreadId::from_raw(key)),
                    false => dimensions.process_of_stream(StreamId::from_raw(key)),
                };
                (*ids.get(row)? == id && owner == process)
                    .then(|| (block.first_row + row as u64, block.starts().get(row).copied()))
            })
        })?;
        if let Some((row, Some(start))) = found.into_iter().flatten().next() {
            return event_at(
                document,
                *partner,
                row,
                Some(TimeRange::from_ns(start, start)),
                cancel,
            );
        }
    }
    Ok(None)
}

fn correlation_id(
    document: &Document,
    table: TableKind,
    event: &EventRef,
    cancel: &Cancel,
) -> Result<Option<u32>, String> {
    let columns = ["correlation_id", "start_ns", "duration_ns"];
    let id_in = |block: &RowBlock<'_>| {
        let at = usize::try_from(event.row.checked_sub(block.first_row)?).ok()?;
        match block.column("correlation_id")? {
            ColumnRef::U32(ids) if block.rows().contains(&at) => ids.get(at).copied(),
            _ => None,
        }
    };
    let has_ids = matches!(
        table,
        TableKind::Kernel
            | TableKind::Memcpy
            | TableKind::Memset
            | TableKind::GraphLaunch
            | TableKind::ApiCall
    );
    if !has_ids {
        return Ok(None);
    }
    let found = document.events.scan(table, event.range(), &columns, cancel, id_in)?;
    Ok(found.into_iter().flatten().find(|id| *id != NONE_U32))
}

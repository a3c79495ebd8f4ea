//! Finding events: the next of a row, the next of a name, the longest in a range.

use underspan_model::tables::TableKind;

use super::{Cancel, NameMatch};
use crate::analysis::Culprit;
use crate::document::{Document, RowBlock, track_columns};
use crate::state::EventRef;
use crate::timeline::TimeRange;

/// First length of time to look through; each further one is four times as long.
const FIRST_WINDOW_NS: u64 = 1_000_000;

/// Which events are looked for.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// Those of one table on one stream (thread, process, service).
    OnTrack(TableKind, u32),
    /// Those with one of these names.
    Named(Vec<NameMatch>),
}

/// Which way to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// A table, and the one key or the names that are wanted of it.
type Sought<'a> = (TableKind, Option<u32>, Option<&'a [bool]>);

/// The nearest event that starts behind (before) one that starts at `from_ns` in row `from_row`;
/// events that start together are in order of their rows.
///
/// # Errors
/// In words, when the file is damaged.
pub(crate) fn find_event(
    document: &Document,
    wanted: &Wanted,
    from_ns: i64,
    from_row: Option<(TableKind, u64)>,
    direction: Direction,
    cancel: &Cancel,
) -> Result<Option<EventRef>, String> {
    let tables: Vec<Sought<'_>> = match wanted {
        Wanted::OnTrack(table, key) => vec![(*table, Some(*key), None)],
        Wanted::Named(matches) => {
            matches.iter().map(|of| (of.table, None, Some(of.names.as_slice()))).collect()
        }
    };
    let bounds = document.bounds();
    let mut len = FIRST_WINDOW_NS;
    let mut edge = from_ns;
    loop {
        let (window, is_last) = match direction {
            Direction::Forward => {
                let end = edge.saturating_add_unsigned(len).min(bounds.end_ns());
                (TimeRange::from_ns(edge.min(end), end.saturating_add(1)), end >= bounds.end_ns())
            }
            Direction::Backward => {
                let start = edge.saturating_sub_unsigned(len).max(bounds.start_ns());
                (TimeRange::from_ns(start, edge.saturating_add(1)), start <= bounds.start_ns())
            }
        };
        let mut best: Option<EventRef> = None;
        for (table, key, names) in &tables {
            let found = in_window(
                document,
                *table,
                window,
                cancel,
                |event| {
                    let is_wanted = key.is_none_or(|key| key == event.key)
                        && names.is_none_or(|names| {
                            names.get(event.name as usize).copied().unwrap_or(false)
                        });
                    let place = (event.start_ns, *table, event.row);
                    let is_beyond = match (direction, from_row) {
                        (Direction::Forward, Some((of, row))) => place > (from_ns, of, row),
                        (Direction::Forward, None) => event.start_ns >= from_ns,
                        (Direction::Backward, Some((of, row))) => place < (from_ns, of, row),
                        (Direction::Backward, None) => event.start_ns < from_ns,
                    };
                    is_wanted && is_beyond && event.start_ns >= window.start_ns()
                },
                |a, b| {
                    let is_before = (a.start_ns, a.row) < (b.start_ns, b.row);
                    is_before == (direction == Direction::Forward)
                },
            )?;
            best = nearer(best, found, direction);
        }
        if best.is_some() || is_last || cancel.is_cancelled() {
            return Ok(best);
        }
        edge = match direction {
            Direction::Forward => window.end_ns(),
            Direction::Backward => window.start_ns(),
        };
        len = len.saturating_mul(4);
    }
}

fn nearer(a: Option<EventRef>, b: Option<EventRef>, direction: Direction) -> Option<EventRef> {
    let (Some(first), Some(second)) = (a, b) else { return a.or(b) };
    let place = |event: &EventRef| (event.start_ns, event.table, event.row);
    let is_first = (place(&first) < place(&second)) == (direction == Direction::Forward);
    Some(if is_first { first } else { second })
}

/// The longest event of a track that touches `range`.
///
/// # Errors
/// In words, when the file is damaged.
pub(crate) fn longest_in(
    document: &Document,
    table: TableKind,
    key: u32,
    range: TimeRange,
    cancel: &Cancel,
) -> Result<Option<EventRef>, String> {
    let is_wanted = |event: &EventRef| event.key == key;
    in_window(document, table, range, cancel, is_wanted, |a, b| a.len_ns() > b.len_ns())
}

/// The event that is to blame for what took time in `range`: the one of its kind that ran longest
/// within it.
///
/// # Errors
/// In words, when the file is damaged.
pub(crate) fn culprit_in(
    document: &Document,
    culprit: Culprit,
    range: TimeRange,
    cancel: &Cancel,
) -> Result<Option<EventRef>, String> {
    let table = match culprit {
        Culprit::Copy => TableKind::Memcpy,
        Culprit::Call => TableKind::ApiCall,
        _ => TableKind::Kernel,
    };
    let is_wanted = |event: &EventRef| match culprit {
        Culprit::Kernel(role) => document.labels.role(event.name) == role,
        Culprit::Multiply => document.labels.role(event.name).is_matmul(),
        Culprit::Nothing => false,
        Culprit::AnyKernel | Culprit::Copy | Culprit::Call => true,
    };
    let inside = |event: &EventRef| {
        let (start, end) = (event.start_ns.max(range.start_ns()), event.end_ns.min(range.end_ns()));
        end.saturating_sub(start)
    };
    let is_longer = |a: &EventRef, b: &EventRef| inside(a) > inside(b);
    in_window(document, table, range, cancel, is_wanted, is_longer)
}

/// The event in a row of a table; looks through the whole capture unless `near` says where.
///
/// # Errors
/// In words, when the file is damaged.
pub(crate) fn event_at(
    document: &Document,
    table: TableKind,
    row: u64,
    near: Option<TimeRange>,
    cancel: &Cancel,
) -> Result<Option<EventRef>, String> {
    let range = near.unwrap_or_else(|| document.bounds().padded(0.01));
    let is_wanted = |event: &EventRef| event.row == row;
    in_window(document, table, range, cancel, is_wanted, |_, _| false)
}

/// The best of the wanted events in the blocks of rows that may lie in `window`.
fn in_window(
    document: &Document,
    table: TableKind,
    window: TimeRange,
    cancel: &Cancel,
    is_wanted: impl Fn(&EventRef) -> bool + Sync,
    is_better: impl Fn(&EventRef, &EventRef) -> bool + Sync,
) -> Result<Option<EventRef>, String> {
    let Some((key, name)) = track_columns(table) else { return Ok(None) };
    let columns = [key, name, "start_ns", "duration_ns"];
    let better = |a: EventRef, b: EventRef| if is_better(&b, &a) { b } else { a };
    let found = document.events.scan(table, window, &columns, cancel, |block| {
        events_of(block, table, key, name)
            .filter(|event| window.touches(event.start_ns, event.end_ns) && is_wanted(event))
            .reduce(better)
    })?;
    Ok(found.into_iter().flatten().reduce(better))
}

fn events_of<'a>(
    block: &'a RowBlock<'_>,
    table: TableKind,
    key: &'a str,
    name: &'a str,
) -> impl Iterator<Item = EventRef> + 'a {
    let (keys, names) = (block.u32s(key), block.codes(name));
    let (starts, durations) = (block.starts(), block.durations());
    block.rows().filter_map(move |row| {
        let start_ns = *starts.get(row)?;
        Some(EventRef {
            table: table.code(),
            row: block.first_row + row as u64,
            key: *keys.get(row)?,
            name: names.get(row)?,
            start_ns,
            end_ns: start_ns.saturating_add_unsigned(*durations.get(row)?),
        })
    })
}

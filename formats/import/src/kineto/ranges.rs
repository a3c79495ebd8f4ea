//! Ranges written as a begin and an end event, and correlation ids that do not fit their column.

use std::collections::{BTreeMap, HashSet};

use underspan_model::tables::{
    AnnotationTable, ApiCallTable, CpuOpTable, KernelTable, MemcpyTable, MemsetTable,
    OverheadTable, SyncTable, TableKind,
};
use underspan_model::{ColumnMut, NONE_U32, ProblemKind, Timeline};

use super::assembly::Assembly;
use super::part::{MarkKind, Place};

/// Gives every range the length from its begin to its end, and drops ranges without an end.
///
/// An end belongs to the last range of its thread that is still open, in order of time.
pub(super) fn close_ranges(assembly: &mut Assembly) {
    let mut marks = std::mem::take(&mut assembly.marks);
    marks.sort_by_key(|mark| (mark.thread, mark.time_ns));
    let mut open: Vec<(Option<Place>, i64)> = Vec::new();
    let mut thread = None;
    let mut unclosed = Vec::new();
    let mut n_unclosed = 0_u64;
    let mut n_unopened = 0_u64;
    for mark in &marks {
        if thread.replace(mark.thread) != Some(mark.thread) {
            n_unclosed += open.len() as u64;
            unclosed.extend(open.drain(..).filter_map(|(place, _)| place));
        }
        match mark.kind {
            MarkKind::Begin(place) => open.push((place, mark.time_ns)),
            MarkKind::End => match open.pop() {
                Some((Some(place), begin_ns)) => {
                    let length = mark.time_ns.saturating_sub(begin_ns).max(0).unsigned_abs();
                    set_duration(&mut assembly.timeline, place, length);
                }
                Some((None, _)) => {}
                None => n_unopened += 1,
            },
        }
    }
    n_unclosed += open.len() as u64;
    unclosed.extend(open.into_iter().filter_map(|(place, _)| place));
    assembly.tallies.add(ProblemKind::OpenRange, n_unclosed, || "a begin without an end".into());
    assembly
        .tallies
        .add(ProblemKind::UnopenedRange, n_unopened, || "an end without a begin".into());
    remove(&mut assembly.timeline, &unclosed);
}

fn set_duration(timeline: &mut Timeline, place: Place, length_ns: u64) {
    let durations = match place.table {
        TableKind::Kernel => &mut timeline.kernels.duration_ns,
        TableKind::Memcpy => &mut timeline.memcpys.duration_ns,
        TableKind::Memset => &mut timeline.memsets.duration_ns,
        TableKind::ApiCall => &mut timeline.api_calls.duration_ns,
        TableKind::Sync => &mut timeline.syncs.duration_ns,
        TableKind::Overhead => &mut timeline.overheads.duration_ns,
        TableKind::Annotation => &mut timeline.annotations.duration_ns,
        _ => &mut timeline.cpu_ops.duration_ns,
    };
    if let Some(duration) = durations.get_mut(place.row as usize) {
        *duration = length_ns;
    }
}

fn remove(timeline: &mut Timeline, places: &[Place]) {
    if places.is_empty() {
        return;
    }
    let places: HashSet<(TableKind, u32)> =
        places.iter().map(|place| (place.table, place.row)).collect();
    macro_rules! keep {
        ($($field:ident: $table:ident, $kind:ident;)*) => {$(
            timeline.$field = timeline
                .$field
                .iter()
                .enumerate()
                .filter(|(at, _)| !places.contains(&(TableKind::$kind, *at as u32)))
                .map(|(_, row)| row)
                .collect::<$table>();
        )*};
    }
    keep! {
        kernels: KernelTable, Kernel;
        memcpys: MemcpyTable, Memcpy;
        memsets: MemsetTable, Memset;
        api_calls: ApiCallTable, ApiCall;
        syncs: SyncTable, Sync;
        overheads: OverheadTable, Overhead;
        annotations: AnnotationTable, Annotation;
        cpu_ops: CpuOpTable, CpuOp;
    }
}

/// Gives correlation ids of more than 32 bits numbers that no other id of the file has, the same
/// id the same number.
pub(super) fn renumber_wide_correlations(assembly: &mut Assembly) {
    let wide = std::mem::take(&mut assembly.wide_correlations);
    if wide.is_empty() {
        return;
    }
    let timeline = &mut assembly.timeline;
    let used: HashSet<u32> = [
        &timeline.kernels.correlation_id,
        &timeline.memcpys.correlation_id,
        &timeline.memsets.correlation_id,
        &timeline.api_calls.correlation_id,
        &timeline.syncs.correlation_id,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect();
    let mut numbers: BTreeMap<u64, u32> = wide.iter().map(|wide| (wide.value, NONE_U32)).collect();
    let mut free = (0..NONE_U32).rev().filter(|number| !used.contains(number));
    for number in numbers.values_mut() {
        *number = free.next().unwrap_or(NONE_U32);
    }
    for wide in &wide {
        let number = numbers.get(&wide.value).copied().unwrap_or(NONE_U32);
        set_correlation(timeline, wide.place, number);
    }
    assembly.tallies.add(ProblemKind::RenumberedCorrelation, wide.len() as u64, || {
        format!("{} became {}", wide[0].value, numbers[&wide[0].value])
    });
}

fn set_correlation(timeline: &mut Timeline, place: Place, number: u32) {
    let table = timeline.table_mut(place.table);
    let at = table.specs().iter().position(|spec| spec.name == "correlation_id");
    let Some(ColumnMut::U32(column)) = at.and_then(|at| table.columns_mut().into_iter().nth(at))
    else {
        return;
    };
    if let Some(slot) = column.get_mut(place.row as usize) {
        *slot = number;
    }
}

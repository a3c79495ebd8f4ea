//! Spans that stand twice in a capture: a batch that was exported again after a lost answer, one
//! run's spans in two files.

use std::collections::{HashMap, HashSet};

use underspan_model::tables::Span;
use underspan_model::{NONE_U32, ProblemKind, StringId, Timeline};

/// Drops spans that are equal to an earlier one in ids, times, name and kind, with everything
/// that was derived from them, and counts them.
///
/// Spans that share an id but differ (both sides of a call, as Zipkin stores them) are kept.
pub(crate) fn drop_duplicates(timeline: &mut Timeline) {
    let mut seen = HashSet::with_capacity(timeline.spans.len());
    let mut dropped_rows = HashSet::new();
    let mut dropped_ids = HashSet::new();
    let mut per_source: HashMap<u32, u64> = HashMap::new();
    for (row, span) in timeline.spans.iter().enumerate() {
        if span.span_id == 0 || seen.insert(identity(&span)) {
            continue;
        }
        dropped_rows.insert(row);
        dropped_ids.insert(span.id);
        *per_source.entry(span.source).or_default() += 1;
    }
    if dropped_rows.is_empty() {
        return;
    }
    dropped_ids.remove(&NONE_U32);
    for (source, count) in per_source {
        let name = timeline.dimensions.sources.get(source as usize).map(|source| source.name);
        let name = name.map_or(StringId::NONE, StringId::from_raw);
        let name = timeline.strings.resolve_or_empty(name).to_owned();
        timeline.problems.record(ProblemKind::DuplicateSpan, &name, count, || "spans".to_owned());
    }
    let is_kept = |id: u32| !dropped_ids.contains(&id);
    let rows = timeline.spans.iter().enumerate();
    timeline.spans =
        rows.filter(|(row, _)| !dropped_rows.contains(row)).map(|(_, span)| span).collect();
    timeline.span_attributes =
        timeline.span_attributes.iter().filter(|row| is_kept(row.span)).collect();
    timeline.span_events = timeline.span_events.iter().filter(|row| is_kept(row.span)).collect();
    timeline.span_links = timeline.span_links.iter().filter(|row| is_kept(row.span)).collect();
    drop_steps(timeline, &dropped_ids);
}

/// Drops members that were known through dropped spans, and steps that lost all their members.
fn drop_steps(timeline: &mut Timeline, dropped_ids: &HashSet<u32>) {
    let members = &timeline.step_members;
    let (lost, kept): (Vec<_>, Vec<_>) =
        members.iter().partition(|member| dropped_ids.contains(&member.span));
    if lost.is_empty() {
        return;
    }
    let has_members: HashSet<_> =
        kept.iter().map(|member| (member.process, member.step_id)).collect();
    let lost_some: HashSet<_> =
        lost.iter().map(|member| (member.process, member.step_id)).collect();
    timeline.step_members = kept.into_iter().collect();
    timeline.steps = timeline
        .steps
        .iter()
        .filter(|step| {
            let key = (step.process, step.step_id);
            !lost_some.contains(&key) || has_members.contains(&key)
        })
        .collect();
}

fn identity(span: &Span) -> (u64, u64, u64, u64, i64, u64, u32, u8) {
    (
        span.trace_id_high,
        span.trace_id_low,
        span.span_id,
        span.parent_span_id,
        span.start_ns,
        span.duration_ns,
        span.name,
        span.kind,
    )
}

//! Rows about spans in the order of their spans, and without what was found out before.

use std::collections::HashSet;

use underspan_model::tables::{Rung, Table};
use underspan_model::{NONE_U32, Timeline};

/// Beginning of the keys of facts.
const FACT_PREFIX: &str = "underspan.";

/// Puts attributes, events and links of each span together, in the order in which they came.
pub(super) fn put_together(timeline: &mut Timeline) {
    let spans = timeline.span_attributes.span.clone();
    order_by(&mut timeline.span_attributes, |row| spans[row]);
    let (spans, ordinals) = (&timeline.span_events.span, &timeline.span_events.ordinal);
    let keys: Vec<_> = spans.iter().copied().zip(ordinals.iter().copied()).collect();
    order_by(&mut timeline.span_events, |row| keys[row]);
    let spans = timeline.span_links.span.clone();
    order_by(&mut timeline.span_links, |row| spans[row]);
}

fn order_by<K: Ord>(table: &mut dyn Table, key: impl Fn(usize) -> K) {
    let n_rows = table.len();
    if (1..n_rows).all(|row| key(row - 1) <= key(row)) {
        return;
    }
    let mut order: Vec<u32> = (0..n_rows as u32).collect();
    order.sort_by_key(|row| key(*row as usize));
    table.permute(&order);
}

/// Drops the facts and steps that were found in the spans of these sources.
pub(super) fn forget(timeline: &mut Timeline, sources: &HashSet<u32>) {
    let spans: HashSet<u32> = timeline
        .spans
        .iter()
        .filter(|span| sources.contains(&span.source) && span.id != NONE_U32)
        .map(|span| span.id)
        .collect();
    let fact_keys: HashSet<u32> = timeline
        .strings
        .iter()
        .enumerate()
        .filter(|(_, text)| text.starts_with(FACT_PREFIX))
        .map(|(id, _)| id as u32)
        .collect();
    let is_fact = |key: u32, span: u32| fact_keys.contains(&key) && spans.contains(&span);
    let attributes = &timeline.span_attributes;
    timeline.span_attributes =
        attributes.iter().filter(|row| !is_fact(row.key, row.span)).collect();
    let members = &timeline.step_members;
    let (found, kept): (Vec<_>, Vec<_>) =
        members.iter().partition(|member| spans.contains(&member.span));
    let steps: HashSet<_> = found.iter().map(|member| (member.process, member.step_id)).collect();
    timeline.step_members = kept.into_iter().collect();
    let is_found =
        |rung: u8, key: &(u32, u64)| rung == Rung::ExactBatch.code() && steps.contains(key);
    timeline.steps = timeline
        .steps
        .iter()
        .filter(|step| !is_found(step.rung, &(step.process, step.step_id)))
        .collect();
}

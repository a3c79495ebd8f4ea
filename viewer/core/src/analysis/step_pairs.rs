//! A typical step of each kind from two captures, kernel beside kernel.

use std::collections::BTreeMap;

use underspan_classifier::Role;
use underspan_engine::{Side, Step};
use underspan_model::tables::{StepKind, TableKind};
use underspan_model::{Interval, Timeline};

use crate::document::{Labels, label};
use crate::state::EventRef;

/// Most kinds of steps that are shown.
const MOST_PAIRS: usize = 16;
/// Most kernels of a step that are drawn; the longest ones.
const MOST_KERNELS: usize = 4_000;

/// The median step of one kind in each capture, the earlier one first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepPair {
    /// What steps of the kind do.
    pub(crate) title: String,
    pub(crate) sides: [StepSide; 2],
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepSide {
    /// How many steps of the kind there are.
    pub(crate) n_steps: usize,
    /// From its first to its last work on the device.
    pub(crate) len_ns: u64,
    /// In order of start.
    pub(crate) kernels: Vec<StepKernel>,
}

/// One kernel of a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepKernel {
    pub(crate) event: EventRef,
    /// Since the step's first work.
    pub(crate) from_ns: u64,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// What a step does, as far as two captures can be compared by it: prompts or not, and how many
/// requests, by powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    step: u8,
    prompts: u32,
    decodes: u32,
}

impl Kind {
    fn of(step: &Step) -> Self {
        let bits = |n: Option<u64>| n.map_or(0, |n| u64::BITS - n.leading_zeros());
        let tokens = step.label.context_tokens.or(step.label.context_requests);
        let decodes = step.label.generation_requests.or(step.label.requests);
        Self { step: step.label.kind.code(), prompts: bits(tokens), decodes: bits(decodes) }
    }

    fn title(self) -> String {
        let range = |bits: u32| match bits {
            0 | 1 => bits.to_string(),
            _ => format!("{} to {}", 1_u64 << (bits - 1), (1_u64 << bits) - 1),
        };
        let kind = StepKind::from_code(self.step);
        let prompts = if self.prompts > 0 {
            format!(" · {} prompt tokens", range(self.prompts))
        } else {
            String::new()
        };
        let decodes = if self.decodes > 0 {
            format!(" · {} requests", range(self.decodes))
        } else {
            String::new()
        };
        format!("{} step{prompts}{decodes}", kind.as_str())
    }
}

/// The kinds of steps that both captures have, those with the most time first.
pub(super) fn step_pairs(before: Side<'_>, after: Side<'_>) -> Vec<StepPair> {
    let (old, new) = (by_kind(before), by_kind(after));
    let mut shared: Vec<(u64, Kind)> = new
        .iter()
        .filter(|(kind, _)| old.contains_key(kind))
        .map(|(kind, steps)| (steps.iter().map(|step| step.busy.as_ns()).sum(), *kind))
        .collect();
    shared.sort_by_key(|(time, kind)| (std::cmp::Reverse(*time), *kind));
    shared.truncate(MOST_PAIRS);
    let labels = [Labels::of(before.timeline), Labels::of(after.timeline)];
    shared
        .into_iter()
        .filter_map(|(_, kind)| {
            let sides = [
                side(before.timeline, &labels[0], old.get(&kind)?)?,
                side(after.timeline, &labels[1], new.get(&kind)?)?,
            ];
            Some(StepPair { title: kind.title(), sides })
        })
        .collect()
}

fn by_kind(side: Side<'_>) -> BTreeMap<Kind, Vec<Step>> {
    let steps = &side.analysis.steps;
    let steps = if steps.serving.is_empty() { &steps.profiler } else { &steps.serving };
    let mut kinds: BTreeMap<Kind, Vec<Step>> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.device_interval.is_some() && step.n_kernels > 0) {
        kinds.entry(Kind::of(step)).or_default().push(*step);
    }
    kinds
}

/// The median step by the time its work ran.
fn side(timeline: &Timeline, labels: &Labels, steps: &[Step]) -> Option<StepSide> {
    let mut order: Vec<&Step> = steps.iter().collect();
    order.sort_by_key(|step| (step.busy, step.interval));
    let step = order.get((order.len().checked_sub(1)?) / 2)?;
    let interval = step.device_interval?;
    Some(StepSide {
        n_steps: steps.len(),
        len_ns: interval.duration().as_ns(),
        kernels: kernels_in(timeline, labels, step, interval),
    })
}

fn kernels_in(
    timeline: &Timeline,
    labels: &Labels,
    step: &Step,
    interval: Interval,
) -> Vec<StepKernel> {
    let kernels = &timeline.kernels;
    let (start, end) = (interval.start().as_ns(), interval.end().as_ns());
    let first = kernels.start_ns.partition_point(|at| *at < start);
    let last = kernels.start_ns.partition_point(|at| *at < end);
    let is_own = |row: &usize| {
        let process = timeline.dimensions.streams.process.get(kernels.stream[*row] as usize);
        process.is_none_or(|process| *process == step.process.raw())
    };
    let mut rows: Vec<usize> = (first..last).filter(is_own).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(kernels.duration_ns[*row]));
    rows.truncate(MOST_KERNELS);
    rows.sort_unstable();
    rows.into_iter()
        .map(|row| {
            let from = kernels.start_ns[row];
            let shape = kernels.shape[row];
            StepKernel {
                event: EventRef {
                    table: TableKind::Kernel.code(),
                    row: row as u64,
                    key: kernels.stream[row],
                    name: shape,
                    start_ns: from,
                    end_ns: from.saturating_add_unsigned(kernels.duration_ns[row]),
                },
                from_ns: from.abs_diff(start),
                name: label(timeline, TableKind::Kernel, shape),
                role: labels.role(shape),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_say_what_steps_of_a_kind_do() {
        let kind = |prompts, decodes| Kind { step: StepKind::Mixed.code(), prompts, decodes };
        assert_eq!(kind(0, 1).title(), "mixed step · 1 requests");
        assert_eq!(
            kind(10, 4).title(),
            "mixed step · 512 to 1023 prompt tokens · 8 to 15 requests"
        );
    }
}

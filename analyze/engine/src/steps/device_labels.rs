//! Step labels on the device: the profiler projects a label onto the streams that ran its work,
//! once per stream.

use std::collections::VecDeque;

use hashbrown::HashMap;
use underspan_model::{NONE_U64, StringId};

use super::find::{DeviceLabel, HostLabel};

/// One label on all the streams it was projected onto.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LabelGroup {
    pub(super) name: StringId,
    external_id: u64,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    /// Its label on each stream.
    pub(super) labels: Vec<DeviceLabel>,
}

/// Puts the projections of one label together. Labels come and groups go in order of start.
///
/// They carry one external id; without ids, a label is a projection of an earlier one when it has
/// the same name, overlaps it, and stands on a stream the earlier one is not on.
pub(super) fn group_labels(labels: &[DeviceLabel]) -> Vec<LabelGroup> {
    let mut groups: Vec<LabelGroup> = Vec::new();
    let mut by_id: HashMap<(StringId, u64), usize> = HashMap::new();
    let mut last_of_name: HashMap<StringId, usize> = HashMap::new();
    for label in labels {
        let known = if label.external_id == NONE_U64 {
            last_of_name.get(&label.name).copied().filter(|at| {
                let group = &groups[*at];
                label.start_ns < group.end_ns
                    && group.labels.iter().all(|other| other.stream != label.stream)
            })
        } else {
            by_id.get(&(label.name, label.external_id)).copied()
        };
        if let Some(at) = known {
            let group = &mut groups[at];
            group.end_ns = group.end_ns.max(label.end_ns);
            group.labels.push(*label);
            continue;
        }
        if label.external_id == NONE_U64 {
            last_of_name.insert(label.name, groups.len());
        } else {
            by_id.insert((label.name, label.external_id), groups.len());
        }
        groups.push(LabelGroup {
            name: label.name,
            external_id: label.external_id,
            start_ns: label.start_ns,
            end_ns: label.end_ns,
            labels: vec![*label],
        });
    }
    groups
}

/// For each group the step whose label it projects: the label with its external id, otherwise
/// the first of its name that no earlier group has and that does not start after it.
pub(super) fn match_groups(labels: &[HostLabel], groups: &[LabelGroup]) -> Vec<Option<usize>> {
    let mut by_id: HashMap<(StringId, u64), usize> = HashMap::new();
    let mut by_name: HashMap<StringId, VecDeque<usize>> = HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        if group.external_id == NONE_U64 {
            by_name.entry(group.name).or_default().push_back(at);
        } else {
            by_id.insert((group.name, group.external_id), at);
        }
    }
    let mut step_of_group = vec![None; groups.len()];
    for label in labels {
        let mut group = by_id.remove(&(label.name, label.external_id));
        if group.is_none()
            && let Some(waiting) = by_name.get_mut(&label.name)
        {
            while waiting.front().is_some_and(|at| groups[*at].start_ns < label.start_ns) {
                waiting.pop_front();
            }
            group = waiting.pop_front();
        }
        if let Some(group) = group {
            step_of_group[group] = Some(label.step);
        }
    }
    step_of_group
}

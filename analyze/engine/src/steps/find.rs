//! From annotations to steps: which labels name a step, and which of them name the same one.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::tables::{AnnotationKind, Rung, StepKind};
use underspan_model::{NONE_U32, NONE_U64, StringId, Timeline, give_up_if_cancelled};

use super::label::{StepDialect, StepLabel};

/// A step on the host, not yet joined with device work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HostStep {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) thread: u32,
    pub(super) process: u32,
    pub(super) name: StringId,
    pub(super) label: StepLabel,
    pub(super) external_id: u64,
    pub(super) rung: u8,
}

/// A step label projected onto a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DeviceLabel {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) stream: u32,
    pub(super) name: StringId,
    pub(super) external_id: u64,
}

/// A label of a step on the host: the step's own or one inside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HostLabel {
    pub(super) step: usize,
    pub(super) start_ns: i64,
    pub(super) name: StringId,
    pub(super) external_id: u64,
}

/// Steps of one level.
#[derive(Debug, Default)]
pub(super) struct HostSteps {
    /// In order of start; on one thread no two overlap.
    pub(super) steps: Vec<HostStep>,
    /// Their labels, in order of start.
    pub(super) labels: Vec<HostLabel>,
}

/// What the annotations of a capture say about steps.
#[derive(Debug, Default)]
pub(super) struct FoundSteps {
    /// Iterations of engines.
    pub(super) serving: HostSteps,
    /// The profiler's own steps.
    pub(super) profiler: HostSteps,
    /// Step labels on the device, in order of start.
    pub(super) device_labels: Vec<DeviceLabel>,
}

impl HostSteps {
    /// Labels inside another step's label, which name the same step.
    pub(super) fn n_nested(&self) -> u64 {
        (self.labels.len() - self.steps.len()) as u64
    }
}

/// Finds the steps of a timeline: the hook's, and for every process without a hook those its
/// labels name.
pub(super) fn find_steps(timeline: &Timeline) -> FoundSteps {
    let mut serving = hook_steps(timeline);
    let mut profiler = Vec::new();
    let mut device_labels = Vec::new();
    let mut has_hook = vec![false; timeline.dimensions.processes.len() + 1];
    let slot = |process: u32| (process as usize).min(timeline.dimensions.processes.len());
    for step in &serving {
        has_hook[slot(step.process)] = true;
    }

    let labels = LabelCache::of(timeline);
    for row in timeline.annotations.iter() {
        give_up_if_cancelled();
        let Some(label) = labels.get(row.name) else { continue };
        let end_ns = row.start_ns.saturating_add_unsigned(row.duration_ns);
        let name = StringId::from_raw(row.name);
        match row.annotation_kind() {
            AnnotationKind::GpuUser => device_labels.push(DeviceLabel {
                start_ns: row.start_ns,
                end_ns,
                stream: row.stream,
                name,
                external_id: row.external_id,
            }),
            AnnotationKind::NvtxMark => {}
            _ => {
                let process = timeline.dimensions.threads.process.get(row.thread as usize);
                let process = process.copied().unwrap_or(NONE_U32);
                if label.is_serving() && has_hook[slot(process)] {
                    continue;
                }
                let step = HostStep {
                    start_ns: row.start_ns,
                    end_ns,
                    thread: row.thread,
                    process,
                    name,
                    label,
                    external_id: row.external_id,
                    rung: Rung::Counts.code(),
                };
                let level = if label.is_serving() { &mut serving } else { &mut profiler };
                level.push(step);
            }
        }
    }
    FoundSteps { serving: merge_nested(serving), profiler: merge_nested(profiler), device_labels }
}

/// Steps the hook recorded.
fn hook_steps(timeline: &Timeline) -> Vec<HostStep> {
    let some_u64 = |value: u64| (value != NONE_U64).then_some(value);
    let some_u32 = |value: u32| (value != NONE_U32).then_some(u64::from(value));
    let row = |row: underspan_model::tables::Step| {
        let kind = StepKind::from_code(row.kind);
        let (context, generation) =
            (some_u32(row.context_requests), some_u32(row.generation_requests));
        HostStep {
            start_ns: row.start_ns,
            end_ns: row.start_ns.saturating_add_unsigned(row.duration_ns),
            thread: row.thread,
            process: row.process,
            name: StringId::from_raw(row.name),
            label: StepLabel {
                iteration: some_u64(row.step_id),
                requests: context.zip(generation).map(|(a, b)| a + b),
                context_requests: context,
                context_tokens: some_u64(row.context_tokens),
                generation_requests: generation,
                generation_tokens: some_u64(row.generation_tokens),
                ..StepLabel::new(StepDialect::Hook, kind)
            },
            external_id: NONE_U64,
            rung: row.rung,
        }
    };
    timeline.steps.iter().map(row).collect()
}

/// Keeps of labels that lie within one another on a thread the outermost, which takes from the
/// inner ones what it does not say itself: engines name one iteration at several places.
fn merge_nested(mut labels: Vec<HostStep>) -> HostSteps {
    // Of labels that start together the longer one is outside.
    labels.sort_by_key(|label| (label.start_ns, std::cmp::Reverse(label.end_ns)));
    let mut last_of_thread: HashMap<(u32, u32), usize, FixedState> = HashMap::default();
    let mut found = HostSteps::default();
    for label in labels {
        let of_step = |step| HostLabel {
            step,
            start_ns: label.start_ns,
            name: label.name,
            external_id: label.external_id,
        };
        // Steps of a server whose threads are not known may run side by side.
        let last = last_of_thread.get(&(label.process, label.thread)).copied();
        if let Some(at) = last.filter(|_| label.thread != NONE_U32)
            && let Some(outer) = found.steps.get_mut(at)
            && label.start_ns < outer.end_ns
        {
            if label.end_ns <= outer.end_ns {
                outer.label.fill_from(&label.label);
                found.labels.push(of_step(at));
                continue;
            }
            // They overlap where clocks or cuts are wrong: the earlier one ends where this begins.
            outer.end_ns = label.start_ns;
        }
        last_of_thread.insert((label.process, label.thread), found.steps.len());
        found.labels.push(of_step(found.steps.len()));
        found.steps.push(label);
    }
    found
}

/// The label of every name that an annotation has, read once.
struct LabelCache(Vec<Option<StepLabel>>);

impl LabelCache {
    fn of(timeline: &Timeline) -> Self {
        let mut labels = vec![None; timeline.strings.len()];
        let mut is_seen = vec![false; labels.len()];
        for &name in &timeline.annotations.name {
            if let Some(seen) = is_seen.get_mut(name as usize) {
                *seen = true;
            }
        }
        for ((label, is_seen), name) in labels.iter_mut().zip(is_seen).zip(timeline.strings.iter())
        {
            give_up_if_cancelled();
            if is_seen {
                *label = StepLabel::parse(name);
            }
        }
        Self(labels)
    }

    fn get(&self, name: u32) -> Option<StepLabel> {
        self.0.get(name as usize).copied().flatten()
    }
}

//! From annotations to steps: which labels name a step, and which of them name the same one.

use underspan_model::tables::AnnotationKind;
use underspan_model::{NONE_U32, NONE_U64, StringId, Timeline};

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

/// What the annotations of a capture say about steps.
#[derive(Debug, Default)]
pub(super) struct FoundSteps {
    /// In order of start; on one thread no two of one level overlap.
    pub(super) serving: Vec<HostStep>,
    /// The profiler's own steps, likewise.
    pub(super) profiler: Vec<HostStep>,
    /// Step labels on the device, in order of start.
    pub(super) device_labels: Vec<DeviceLabel>,
    /// Labels inside another step's label that name the same step.
    pub(super) n_nested: u64,
}

/// Finds the steps of a timeline: the hook's, and for every process without a hook those its
/// labels name.
pub(super) fn find_steps(timeline: &Timeline) -> FoundSteps {
    let mut found = FoundSteps { serving: hook_steps(timeline), ..FoundSteps::default() };
    let mut has_hook = vec![false; timeline.dimensions.processes.len() + 1];
    let slot = |process: u32| (process as usize).min(timeline.dimensions.processes.len());
    for step in &found.serving {
        has_hook[slot(step.process)] = true;
    }

    let labels = LabelCache::of(timeline);
    for row in timeline.annotations.iter() {
        let Some(label) = labels.get(row.name) else { continue };
        let end_ns = row.start_ns.saturating_add_unsigned(row.duration_ns);
        let name = StringId::from_raw(row.name);
        match row.annotation_kind() {
            AnnotationKind::GpuUser => found.device_labels.push(DeviceLabel {
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
                    rung: underspan_model::tables::Rung::Counts.code(),
                };
                let level =
                    if label.is_serving() { &mut found.serving } else { &mut found.profiler };
                level.push(step);
            }
        }
    }
    found.n_nested = merge_nested(&mut found.serving) + merge_nested(&mut found.profiler);
    found
}

/// Steps the hook recorded.
fn hook_steps(timeline: &Timeline) -> Vec<HostStep> {
    let some_u64 = |value: u64| (value != NONE_U64).then_some(value);
    let some_u32 = |value: u32| (value != NONE_U32).then_some(u64::from(value));
    let row = |row: underspan_model::tables::Step| {
        let kind = underspan_model::tables::StepKind::from_code(row.kind);
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
/// inner ones what it does not say itself: engines name one iteration at several places. Returns
/// how many were inner ones.
fn merge_nested(steps: &mut Vec<HostStep>) -> u64 {
    // Of labels that start together the longer one is outside.
    steps.sort_by_key(|step| (step.start_ns, std::cmp::Reverse(step.end_ns)));
    let before = steps.len();
    let mut last_of_thread = hashbrown::HashMap::<(u32, u32), usize>::new();
    let mut kept: Vec<HostStep> = Vec::with_capacity(steps.len());
    for step in steps.drain(..) {
        let last = last_of_thread.get(&(step.process, step.thread)).copied();
        if let Some(outer) = last.and_then(|last| kept.get_mut(last))
            && step.start_ns < outer.end_ns
        {
            if step.end_ns <= outer.end_ns {
                // Two identical labels name one step only when one is inside the other.
                outer.label.fill_from(&step.label);
                continue;
            }
            // They overlap by mistake of a clock or a cut: the earlier one ends where this begins.
            outer.end_ns = step.start_ns;
        }
        last_of_thread.insert((step.process, step.thread), kept.len());
        kept.push(step);
    }
    *steps = kept;
    (before - steps.len()) as u64
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

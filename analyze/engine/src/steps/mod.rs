//! Engine steps: what each iteration was, and the device work it caused.

mod device_labels;
mod find;
mod label;
mod owner;
mod step_work;

use underspan_model::tables::Rung;
use underspan_model::{
    DurationNs, Interval, NONE_U32, ProcessId, StreamId, StringId, ThreadId, Timeline, TimestampNs,
};

pub use label::{StepDialect, StepLabel};

use crate::device_work::WorkChunk;
use crate::work_reach::Lanes;
use crate::{Correlation, DeviceWork, WorkItem, WorkKind};
use device_labels::{LabelGroup, group_labels, match_groups};
use find::{DeviceLabel, HostStep, HostSteps, find_steps};
use owner::{CallOwners, LabelOwners};
use step_work::{StepWork, sum_by_step};

/// The steps of a capture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Steps {
    /// Iterations of inference engines, in order of start. On one thread no two overlap.
    pub serving: Vec<Step>,
    /// Steps of a profiler's schedule, likewise.
    pub profiler: Vec<Step>,
    /// Step labels within another step's label, which name the same step.
    pub n_nested_labels: u64,
    /// Step labels on the device that repeat one of another stream.
    pub n_repeated_device_labels: u64,
}

/// How the device work of a step is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepLink {
    /// By the calls that its thread made during the step.
    Launches,
    /// By its label on the device.
    DeviceLabel,
    /// Not at all.
    None,
}

impl StepLink {
    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Launches => "launches",
            Self::DeviceLabel => "device_label",
            Self::None => "none",
        }
    }
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When it ran on the host; for a step known only by its label on the device, when it ran
    /// there.
    pub interval: Interval,
    /// Process.
    pub process: ProcessId,
    /// Thread; none for a step known only by its label on the device.
    pub thread: ThreadId,
    /// The label's text; none for a step that the hook recorded without one.
    pub name: StringId,
    /// What the label says.
    pub label: StepLabel,
    /// How well its members are known.
    pub rung: Rung,
    /// How its device work is known.
    pub link: StepLink,
    /// Kernels, copies and fills.
    pub n_items: u64,
    /// Kernels.
    pub n_kernels: u64,
    /// Sum of the kernels' durations.
    pub kernel_time: DurationNs,
    /// Time in which any of its work ran.
    pub busy: DurationNs,
    /// From the first start to the last end of its work; `None` without work.
    pub device_interval: Option<Interval>,
}

impl Steps {
    /// Finds the steps of a timeline and the device work of each.
    pub fn of(timeline: &Timeline, correlation: &Correlation) -> Self {
        let chunks = Lanes::of(timeline).chunks(&DeviceWork::of(timeline));
        Self::with_chunks(timeline, correlation, &chunks)
    }

    pub(crate) fn with_chunks(
        timeline: &Timeline,
        correlation: &Correlation,
        chunks: &[WorkChunk],
    ) -> Self {
        let found = find_steps(timeline);
        let groups = group_labels(&found.device_labels);
        let (profiler_groups, serving_groups): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| {
                let name = timeline.strings.resolve_or_empty(group.name);
                StepLabel::parse(name).is_some_and(|label| !label.is_serving())
            });
        let n_groups = profiler_groups.len() + serving_groups.len();
        let n_nested_labels = found.serving.n_nested() + found.profiler.n_nested();
        let link = |steps: HostSteps, groups: &[LabelGroup]| {
            Linker { timeline, correlation, chunks }.link(steps, groups)
        };
        Self {
            serving: link(found.serving, &serving_groups),
            profiler: link(found.profiler, &profiler_groups),
            n_nested_labels,
            n_repeated_device_labels: (found.device_labels.len() - n_groups) as u64,
        }
    }

    /// Whether the capture has no steps of either kind.
    pub fn is_empty(&self) -> bool {
        self.serving.is_empty() && self.profiler.is_empty()
    }
}

struct Linker<'a> {
    timeline: &'a Timeline,
    correlation: &'a Correlation,
    chunks: &'a [WorkChunk],
}

impl Linker<'_> {
    fn link(&self, found: HostSteps, groups: &[LabelGroup]) -> Vec<Step> {
        let HostSteps { mut steps, labels } = found;
        if steps.is_empty() && groups.is_empty() {
            return Vec::new();
        }
        let work = DeviceWork::of(self.timeline);
        let chunks = self.chunks;
        let owners = &CallOwners::of(self.timeline, &steps);
        let calls = [WorkKind::Kernel, WorkKind::Memcpy, WorkKind::Memset]
            .map(|kind| self.correlation.calls(kind));
        let mut sums = sum_by_step(&work, chunks, steps.len(), || {
            // Work of one launch mostly stands together.
            let mut last = (NONE_U32, NONE_U32);
            let mut position = (NONE_U32, 0);
            move |item: &WorkItem| {
                let call = calls[item.kind as usize][item.row as usize];
                if call != last.0 {
                    last = (call, owners.step_of(call, &mut position));
                }
                last.1
            }
        });
        let mut links: Vec<StepLink> = sums
            .iter()
            .map(|sum| if sum.n_items > 0 { StepLink::Launches } else { StepLink::None })
            .collect();

        // What the calls do not tell, labels on the device may.
        let step_of_group = match_groups(&labels, groups);
        let mut labelled: Vec<(u32, DeviceLabel)> = Vec::new();
        for (group, step) in groups.iter().zip(&step_of_group) {
            let step = step.unwrap_or_else(|| {
                steps.push(self.device_only(group));
                links.push(StepLink::None);
                sums.push(StepWork::NOTHING);
                steps.len() - 1
            });
            if links[step] != StepLink::Launches {
                links[step] = StepLink::DeviceLabel;
                labelled.extend(group.labels.iter().map(|label| (step as u32, *label)));
            }
        }
        if !labelled.is_empty() {
            let owners = LabelOwners::of(&labelled);
            let found = sum_by_step(&work, chunks, steps.len(), || owners.cursor());
            for ((sum, link), found) in sums.iter_mut().zip(&links).zip(found) {
                if *link == StepLink::DeviceLabel {
                    *sum = found;
                }
            }
        }
        let mut linked: Vec<Step> = steps
            .iter()
            .zip(sums)
            .zip(links)
            .map(|((step, sum), link)| step_row(step, &sum, link))
            .collect();
        linked.sort_by_key(|step| step.interval.start());
        linked
    }

    /// A step whose host part is not in the capture.
    fn device_only(&self, group: &LabelGroup) -> HostStep {
        let name = self.timeline.strings.resolve_or_empty(group.name);
        let unknown = StepLabel::new(StepDialect::Hook, underspan_model::tables::StepKind::Unknown);
        let stream = group.labels.first().map_or(NONE_U32, |label| label.stream);
        HostStep {
            start_ns: group.start_ns,
            end_ns: group.end_ns,
            thread: NONE_U32,
            process: self.timeline.dimensions.process_of_stream(StreamId::from_raw(stream)).raw(),
            name: group.name,
            label: StepLabel::parse(name).unwrap_or(unknown),
            external_id: u64::MAX,
            rung: Rung::Counts.code(),
        }
    }
}

fn step_row(step: &HostStep, sum: &StepWork, link: StepLink) -> Step {
    let at = TimestampNs::from_ns;
    Step {
        interval: Interval::new(at(step.start_ns), at(step.end_ns)),
        process: ProcessId::from_raw(step.process),
        thread: ThreadId::from_raw(step.thread),
        name: step.name,
        label: step.label,
        rung: Rung::from_code(step.rung),
        link,
        n_items: sum.n_items,
        n_kernels: sum.n_kernels,
        kernel_time: DurationNs::from_ns(sum.kernel_time),
        busy: DurationNs::from_ns(sum.busy),
        device_interval: (sum.n_items > 0)
            .then(|| Interval::new(at(sum.first_start), at(sum.reach))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;
    use underspan_model::tables::{AnnotationKind, StepKind};

    const DECODE: &str = "execute_context_0(0)_generation_4(4)";
    const PREFILL: &str = "execute_context_1(900)_generation_0(0)";

    fn steps(trace: &TraceBuilder) -> (Timeline, Steps) {
        let t = trace.build();
        let steps = Steps::of(&t, &Correlation::of(&t));
        (t, steps)
    }

    /// Kind, host span, link, kernels, kernel time, busy, device span.
    fn show(steps: &[Step]) -> Vec<String> {
        let span = |i: Interval| format!("{}..{}", i.start().as_ns(), i.end().as_ns());
        steps
            .iter()
            .map(|s| {
                format!(
                    "{} {} {} {} {} {} {}",
                    s.label.kind.as_str(),
                    span(s.interval),
                    s.link.as_str(),
                    s.n_kernels,
                    s.kernel_time.as_ns(),
                    s.busy.as_ns(),
                    s.device_interval.map_or("-".to_owned(), span)
                )
            })
            .collect()
    }

    #[test]
    fn work_belongs_to_the_step_whose_thread_launched_it() {
        let mut trace = TraceBuilder::new();
        trace
            .annotation(AnnotationKind::User, PREFILL, 0..100)
            .launch("a", 10..12, 20..150)
            .launch("b", 30..32, 140..160)
            .annotation(AnnotationKind::User, DECODE, 100..200)
            .launch("c", 100..105, 170..180)
            .launch("outside", 200..201, 300..400);
        trace.thread(2).launch("other thread", 50..51, 60..70);
        let (_, steps) = steps(&trace);
        assert_eq!(
            show(&steps.serving),
            [
                "prefill 0..100 launches 2 150 140 20..160",
                "decode 100..200 launches 1 10 10 170..180",
            ]
        );
        assert_eq!(steps.serving[0].rung, Rung::Counts);
        assert!(steps.profiler.is_empty());
    }

    #[test]
    fn labels_inside_a_step_name_the_same_step() {
        let mut trace = TraceBuilder::new();
        trace
            .annotation(AnnotationKind::User, "ProfilerStep#3", 0..300)
            .annotation(AnnotationKind::User, "step[MIXED bs=5]", 0..100)
            .annotation(AnnotationKind::User, "step[DECODE bs=4 forward_id=9]", 0..90)
            .annotation(AnnotationKind::GpuUser, "step[DECODE bs=4 forward_id=9]", 20..50)
            .launch("a", 10..12, 20..50);
        let (_, steps) = steps(&trace);
        assert_eq!(show(&steps.serving), ["mixed 0..100 launches 1 30 30 20..50"]);
        assert_eq!(steps.serving[0].label.requests, Some(5));
        assert_eq!(steps.serving[0].label.iteration, Some(9), "taken from the inner label");
        assert_eq!(show(&steps.profiler), ["profiler 0..300 launches 1 30 30 20..50"]);
        assert_eq!(steps.n_nested_labels, 1);
    }

    #[test]
    fn labels_on_the_device_tell_what_calls_do_not() {
        let mut trace = TraceBuilder::new();
        trace
            .annotation(AnnotationKind::User, DECODE, 0..10)
            .annotation(AnnotationKind::User, DECODE, 20..30)
            .annotation(AnnotationKind::GpuUser, DECODE, 5..15)
            .kernel("a", 5..9, NONE_U32)
            .kernel("b", 10..15, NONE_U32)
            .annotation(AnnotationKind::GpuUser, DECODE, 25..40)
            .kernel("c", 25..40, NONE_U32)
            .stream(0, 8)
            .annotation(AnnotationKind::GpuUser, DECODE, 7..12)
            .kernel("d", 7..12, NONE_U32)
            .kernel("not under a label", 13..14, NONE_U32);
        let (_, steps) = steps(&trace);
        assert_eq!(
            show(&steps.serving),
            [
                "decode 0..10 device_label 3 14 10 5..15",
                "decode 20..30 device_label 1 15 15 25..40",
            ]
        );
        assert_eq!(steps.n_repeated_device_labels, 1);
    }

    #[test]
    fn a_step_known_only_on_the_device_is_a_step() {
        let mut trace = TraceBuilder::new();
        trace.annotation(AnnotationKind::GpuUser, PREFILL, 5..15).kernel("a", 5..9, NONE_U32);
        let (t, steps) = steps(&trace);
        assert_eq!(show(&steps.serving), ["prefill 5..15 device_label 1 4 4 5..9"]);
        assert_eq!(steps.serving[0].process.index(), 0);
        assert_eq!(t.strings.resolve_or_empty(steps.serving[0].name), PREFILL);
    }

    #[test]
    fn external_ids_tell_equal_labels_apart() {
        let mut trace = TraceBuilder::new();
        trace
            .annotation(AnnotationKind::User, DECODE, 0..10)
            .annotation(AnnotationKind::User, DECODE, 10..20)
            .annotation(AnnotationKind::GpuUser, DECODE, 30..40)
            .annotation(AnnotationKind::GpuUser, DECODE, 50..60)
            .kernel("second", 30..35, NONE_U32)
            .kernel("first", 50..52, NONE_U32);
        trace.timeline_mut().annotations.external_id = vec![1, 2, 2, 1];
        let (_, steps) = steps(&trace);
        assert_eq!(
            show(&steps.serving),
            ["decode 0..10 device_label 1 2 2 50..52", "decode 10..20 device_label 1 5 5 30..35"]
        );
    }

    #[test]
    fn the_hook_is_believed_before_labels() {
        let mut trace = TraceBuilder::new();
        trace
            .annotation(AnnotationKind::User, DECODE, 0..100)
            .launch("a", 10..12, 20..50)
            .process(2)
            .annotation(AnnotationKind::User, DECODE, 300..400);
        trace.timeline_mut().steps.push(underspan_model::tables::Step {
            start_ns: 5,
            duration_ns: 80,
            step_id: 17,
            process: 0,
            thread: 0,
            kind: StepKind::Prefill.code(),
            rung: Rung::ExactHook.code(),
            ..Default::default()
        });
        let (_, steps) = steps(&trace);
        assert_eq!(
            show(&steps.serving),
            ["prefill 5..85 launches 1 30 30 20..50", "decode 300..400 none 0 0 0 -"]
        );
        assert_eq!(steps.serving[0].label.iteration, Some(17));
        assert_eq!(steps.serving[0].rung, Rung::ExactHook);
    }
}

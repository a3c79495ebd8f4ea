//! What the dialects found out, and how it is written into the timeline.

use std::collections::HashMap;

use underspan_model::tables::{Phase, Process, Rung, SpanAttribute, Step, StepKind, StepMember};
use underspan_model::{NONE_U32, NONE_U64, SourceId, Timeline};

/// What the dialects found out.
#[derive(Debug, Default)]
pub(super) struct Findings {
    facts: Vec<(u32, &'static str, Fact)>,
    requests: Vec<(usize, String)>,
    processes: Vec<(usize, i64, String)>,
    steps: Vec<FoundStep>,
}

#[derive(Debug)]
enum Fact {
    Whole(i64),
    Text(String),
}

/// An engine step rebuilt from spans.
#[derive(Debug, Clone, Default)]
pub(super) struct FoundStep {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    /// Process id of the engine, and its name when the source gives no id.
    pub(super) process: StepProcess,
    pub(super) name: String,
    pub(super) kind: StepKind,
    pub(super) context_requests: Option<u32>,
    pub(super) generation_requests: Option<u32>,
    pub(super) members: Vec<FoundMember>,
}

/// The process that ran a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum StepProcess {
    Pid(i64),
    /// The source tells no number, only what it is.
    Named(&'static str),
}

impl Default for StepProcess {
    fn default() -> Self {
        Self::Named("")
    }
}

/// A request in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundMember {
    /// Number of the span that is its part in the step.
    pub(super) span: u32,
    pub(super) request: String,
    pub(super) phase: Phase,
}

impl Findings {
    /// A whole number about a span.
    pub(super) fn whole(&mut self, span: u32, key: &'static str, value: Option<i64>) {
        if let Some(value) = value {
            self.facts.push((span, key, Fact::Whole(value)));
        }
    }

    /// A length of time about a span. Negative ones mean clocks that disagree: no fact.
    pub(super) fn time(&mut self, span: u32, key: &'static str, ns: Option<i64>) {
        self.whole(span, key, ns.filter(|ns| *ns >= 0));
    }

    /// A text about a span.
    pub(super) fn text(&mut self, span: u32, key: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.facts.push((span, key, Fact::Text(value.into())));
        }
    }

    /// The request a span belongs to, by the row of the span.
    pub(super) fn request(&mut self, row: usize, request: &str) {
        if !request.is_empty() {
            self.requests.push((row, request.to_owned()));
        }
    }

    /// The process a span was made in, by the row of the span.
    pub(super) fn process(&mut self, row: usize, pid: i64, name: &str) {
        self.processes.push((row, pid, name.to_owned()));
    }

    pub(super) fn step(&mut self, step: FoundStep) {
        self.steps.push(step);
    }

    /// Writes everything. Steps are numbered by process in order of time; a process is one of the
    /// source that its spans come from.
    pub(super) fn write(mut self, timeline: &mut Timeline) {
        for (row, request) in &self.requests {
            timeline.spans.request[*row] = timeline.strings.intern(request).raw();
        }
        for (row, pid, name) in &self.processes {
            let source = SourceId::from_raw(timeline.spans.source[*row]);
            timeline.spans.process[*row] = process(timeline, source, *pid, name);
        }
        for (span, key, fact) in &self.facts {
            let key = timeline.strings.intern(key);
            let attribute = match fact {
                Fact::Whole(value) => SpanAttribute::of_whole(*span, key, *value),
                Fact::Text(value) => {
                    SpanAttribute::of_text(*span, key, timeline.strings.intern(value))
                }
            };
            timeline.span_attributes.push(attribute);
        }
        let source_of: HashMap<u32, u32> =
            timeline.spans.iter().map(|span| (span.id, span.source)).collect();
        let home = |step: &FoundStep| {
            let source = step.members.first().and_then(|member| source_of.get(&member.span));
            (source.copied().unwrap_or(NONE_U32), step.process.clone())
        };
        self.steps.sort_by_cached_key(|step| {
            let first = step.members.first().map(|member| member.span);
            (home(step), step.start_ns, step.end_ns, step.name.clone(), first)
        });
        for steps in self.steps.chunk_by(|a, b| home(a) == home(b)) {
            let (source, process_id) = home(&steps[0]);
            let (pid, name) = match process_id {
                StepProcess::Pid(pid) => (pid, ""),
                StepProcess::Named(name) => (0, name),
            };
            let process = process(timeline, SourceId::from_raw(source), pid, name);
            let first_id = next_step_id(timeline, process);
            for (at, step) in steps.iter().enumerate() {
                write_step(timeline, process, first_id + at as u64, step);
            }
        }
    }
}

/// The first number that no step of a process has.
fn next_step_id(timeline: &Timeline, process: u32) -> u64 {
    let steps = timeline.steps.iter().filter(|step| step.process == process);
    steps.map(|step| step.step_id.saturating_add(1)).max().unwrap_or(0)
}

fn write_step(timeline: &mut Timeline, process: u32, step_id: u64, step: &FoundStep) {
    timeline.steps.push(Step {
        start_ns: step.start_ns,
        duration_ns: step.end_ns.saturating_sub(step.start_ns).max(0).unsigned_abs(),
        step_id,
        process,
        name: timeline.strings.intern(&step.name).raw(),
        kind: step.kind.code(),
        rung: Rung::ExactBatch.code(),
        context_requests: step.context_requests.unwrap_or(NONE_U32),
        context_tokens: NONE_U64,
        generation_requests: step.generation_requests.unwrap_or(NONE_U32),
        generation_tokens: NONE_U64,
        ..Step::default()
    });
    for member in &step.members {
        timeline.step_members.push(StepMember {
            process,
            step_id,
            request: timeline.strings.intern(&member.request).raw(),
            phase: member.phase.code(),
            span: member.span,
            ..StepMember::default()
        });
    }
}

fn process(timeline: &mut Timeline, source: SourceId, pid: i64, name: &str) -> u32 {
    let process = timeline.dimensions.process_id(source, pid);
    if !name.is_empty()
        && let Some(Process { name: NONE_U32, .. }) =
            timeline.dimensions.processes.get(process.index())
    {
        timeline.dimensions.processes.name[process.index()] = timeline.strings.intern(name).raw();
    }
    process.raw()
}

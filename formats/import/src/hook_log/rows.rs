//! From frames to rows.

use std::collections::HashMap;

use underspan_membership::{
    Frame, RequestRecord, StepBegin, StepDecoder, StepEnd, StepMembers, step_flags,
};
use underspan_model::tables::{
    ClockAnchor, Property, RequestIdentity, Rung, Step, StepKind, StepMember,
};
use underspan_model::{
    ClockDomain, NONE_I64, NONE_U32, NONE_U64, ProblemKind, ProcessId, SourceId, StringId, Timeline,
};

use super::clock::Clock;
use super::notes::Note;
use crate::ImportError;
use crate::input::InputFile;

/// Bytes of a row of members.
const ROW_BYTES: u64 = 29;
/// An unchanged step is some 60 bytes in the file, whatever its size: a batch of 4,000 is this many
/// times as large in memory.
const GROWTH_LIMIT: u64 = 2_000;
/// Growth is watched from here on.
const GROWTH_WATCHED_FROM: u64 = 128 << 20;

/// The rows of one file as they come in. Times are monotonic until the end.
pub(super) struct Rows<'a> {
    input: &'a InputFile,
    timeline: Timeline,
    source: SourceId,
    process: ProcessId,
    clock: Clock,
    decoder: StepDecoder<StringId>,
    /// Steps that have begun: their place in the table.
    open: HashMap<u64, usize>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        mut timeline: Timeline,
        source: SourceId,
        pid: u32,
        input: &'a InputFile,
    ) -> Self {
        let process = timeline.dimensions.process_id(source, pid.into());
        Self {
            input,
            timeline,
            source,
            process,
            clock: Clock::default(),
            decoder: StepDecoder::new(),
            open: HashMap::new(),
        }
    }

    /// Counts a problem of this file.
    pub(super) fn problem(&mut self, kind: ProblemKind, example: impl FnOnce() -> String) {
        self.timeline.problems.record(kind, &self.input.name(), 1, example);
    }

    /// A frame could not be read: no later delta has a base until its series has a keyframe.
    pub(super) fn damage(&mut self, offset: u64, what: &str) {
        self.decoder.lose_track();
        self.problem(ProblemKind::CorruptChunk, || format!("at byte {offset}: {what}"));
    }

    /// Takes in one frame.
    pub(super) fn frame(&mut self, offset: u64, frame: Frame<'_>) -> Result<(), ImportError> {
        match frame {
            Frame::Process(text) | Frame::Note(text) => self.note(offset, text),
            Frame::Anchor(realtime_ns, monotonic_ns, uncertainty_ns) => {
                self.clock.anchor(realtime_ns, monotonic_ns);
                self.timeline.dimensions.clock_anchors.push(ClockAnchor {
                    process: self.process.raw(),
                    realtime_ns,
                    monotonic_ns,
                    activity_ns: NONE_I64,
                    uncertainty_ns: uncertainty_ns.into(),
                    source: self.source.raw(),
                });
            }
            Frame::StepBegin(begin) => self.step_begin(offset, begin)?,
            Frame::StepEnd(end) => self.step_end(offset, end),
            Frame::Request(record) => match RequestRecord::parse(record) {
                Ok(record) => self.request(&record),
                Err(error) => self.problem(ProblemKind::MalformedEvent, || {
                    format!("the request record at byte {offset}: {error}")
                }),
            },
            _ => self.problem(ProblemKind::UnknownRecordKind, || {
                format!("a frame of a later version at byte {offset}")
            }),
        }
        Ok(())
    }

    fn note(&mut self, offset: u64, text: &[u8]) {
        match Note::parse(text) {
            Some(Note::Process(name)) => {
                let name = self.timeline.strings.intern(&name).raw();
                let process = self.process.index();
                if let Some(slot) = self.timeline.dimensions.processes.name.get_mut(process) {
                    *slot = name;
                }
            }
            Some(Note::Rank(rank)) => {
                let process = self.process.index();
                if let Some(slot) = self.timeline.dimensions.processes.rank.get_mut(process) {
                    *slot = rank;
                }
            }
            Some(Note::Patched(key, value)) => {
                let row = Property {
                    source: self.source.raw(),
                    key: self.timeline.strings.intern(key).raw(),
                    value: self.timeline.strings.intern(&value).raw(),
                };
                let properties = &mut self.timeline.dimensions.properties;
                if properties.iter().all(|known| known != row) {
                    properties.push(row);
                }
            }
            Some(Note::Problem(kind, words)) => self.problem(kind, || words),
            Some(Note::Other) => {}
            None => self.problem(ProblemKind::UnusableField, || {
                format!("the note at byte {offset} is no JSON object")
            }),
        }
    }

    fn step_begin(&mut self, offset: u64, begin: StepBegin<'_>) -> Result<(), ImportError> {
        let thread = self.timeline.dimensions.thread_id(self.process, begin.tid.into());
        let strings = &mut self.timeline.strings;
        let intern = |name: &str| strings.intern(name);
        let mut step = Step {
            start_ns: begin.begin_ns,
            step_id: begin.step_id,
            process: self.process.raw(),
            thread: thread.raw(),
            rung: Rung::ExactHook.code(),
            ..Step::default()
        };
        match self.decoder.apply(begin.flags, begin.n_members, begin.delta, intern) {
            Ok(members) => {
                describe(&mut step, begin.flags, members);
                let owner = StepMember {
                    process: step.process,
                    step_id: step.step_id,
                    ..StepMember::default()
                };
                members.push_rows(&mut self.timeline.step_members, owner);
            }
            Err(error) => {
                step.rung = Rung::None.code();
                self.problem(ProblemKind::MalformedEvent, || {
                    format!("the members of the step at byte {offset}: {error}")
                });
            }
        }
        self.bound_growth(offset)?;
        if self.open.insert(step.step_id, self.timeline.steps.len()).is_some() {
            self.problem(ProblemKind::MalformedEvent, || {
                format!("at byte {offset}: step {} begins twice", step.step_id)
            });
        }
        self.timeline.steps.push(step);
        Ok(())
    }

    fn step_end(&mut self, offset: u64, end: StepEnd) {
        let Some(place) = self.open.remove(&end.step_id) else {
            self.problem(ProblemKind::UnopenedRange, || {
                format!("at byte {offset}: the end of step {}", end.step_id)
            });
            return;
        };
        let start_ns = self.timeline.steps.start_ns.get(place).copied().unwrap_or_default();
        let end_ns = end.sample_ns.map_or(end.end_ns, |(_, sampled_ns)| sampled_ns);
        if let Some(slot) = self.timeline.steps.duration_ns.get_mut(place) {
            *slot = span_ns(start_ns, end_ns).unwrap_or_default();
        }
        if end_ns < start_ns {
            self.problem(ProblemKind::NegativeDuration, || {
                format!("at byte {offset}: step {} ends before it begins", end.step_id)
            });
        }
    }

    fn request(&mut self, record: &RequestRecord<'_>) {
        let (trace_id_high, trace_id_low, parent_span_id, is_sampled) =
            record.trace_context().unwrap_or_default();
        let mut name = |text: &Option<std::borrow::Cow<'_, str>>| {
            text.as_deref().map_or(NONE_U32, |text| self.timeline.strings.intern(text).raw())
        };
        let times = record.times();
        let row = RequestIdentity {
            time_ns: times.realtime_ns,
            request: name(&record.member),
            external: name(&record.external),
            http_request: name(&record.x_request_id),
            trace_id_high,
            trace_id_low,
            parent_span_id,
            is_sampled: is_sampled.into(),
            frontend_ns: times.frontend_ns.unwrap_or(NONE_U64),
            duration_ns: times.duration_ns.unwrap_or(NONE_U64),
            process: self.process.raw(),
        };
        self.timeline.request_identities.push(row);
    }

    fn bound_growth(&self, offset: u64) -> Result<(), ImportError> {
        let rows = self.timeline.step_members.len() as u64;
        let limit = GROWTH_WATCHED_FROM.max(self.input.file_bytes().saturating_mul(GROWTH_LIMIT));
        if rows * ROW_BYTES <= limit && rows < u64::from(NONE_U32) {
            return Ok(());
        }
        Err(ImportError::TooLarge {
            path: self.input.path().to_owned(),
            offset,
            what: "the table of step members",
            limit,
        })
    }

    /// The timeline, on the wall clock where the file has an anchor.
    pub(super) fn finish(mut self) -> Timeline {
        self.clock.settle();
        self.timeline.info.clock = ClockDomain::Realtime;
        if self.clock.is_missing() && !self.timeline.steps.is_empty() {
            self.timeline.info.clock = ClockDomain::Monotonic;
            self.timeline.request_identities.clear();
            self.problem(ProblemKind::MissingTimestamp, || {
                "no reading of the wall clock: steps keep their own, requests are left out".into()
            });
        }
        for start_ns in &mut self.timeline.steps.start_ns {
            *start_ns = self.clock.realtime_ns(*start_ns);
        }
        let n_open = self.open.len() as u64;
        self.timeline.problems.record(
            ProblemKind::MissingEvidence,
            &self.input.name(),
            n_open,
            || "the process ended within a step: its end is not known, its length is zero".into(),
        );
        self.timeline.sort();
        self.timeline
    }
}

/// Kind and counts of a step.
fn describe(step: &mut Step, flags: u32, members: &StepMembers<StringId>) {
    let counts = members.counts();
    counts.describe(step);
    let is_empty = flags & step_flags::EMPTY != 0;
    let kind = match (is_empty, counts.context_requests, counts.generation_requests) {
        (true, ..) | (_, 0, 0) => StepKind::Empty,
        _ if counts.has_drafts => StepKind::Speculative,
        (_, _, 0) => StepKind::Prefill,
        (_, 0, _) => StepKind::Decode,
        _ => StepKind::Mixed,
    };
    step.kind = kind.code();
}

/// Time from `from` to `to`; `None` when it is negative.
fn span_ns(from: i64, to: i64) -> Option<u64> {
    (to >= from).then(|| to.abs_diff(from))
}

//! What the analysis says about the open capture: its requests and where their time went.

mod derived;
mod findings;
mod from_requests;
mod membership;
mod part_meaning;
mod request_summary;
mod step_pairs;
mod verdict;
mod whole;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use smallvec::SmallVec;
use underspan_classifier::Role;
use underspan_engine::{
    Analysis, AnalysisOptions, CaptureDiff, PartKind, RequestOptions, Requests, Side,
};
use underspan_model::tables::{Span, SpanKind, SpanStatus, TableKind};
use underspan_model::{NONE_U32, StringId, Timeline};

pub(crate) use findings::FindingItem;
pub(crate) use membership::{Membership, Owner};
pub(crate) use step_pairs::{StepKernel, StepPair, StepSide};
pub(crate) use verdict::{CauseItem, VerdictItem};

pub(crate) use self::request_summary::{BARS, RequestSummary};
use self::whole::Whole;
use crate::document::Document;
use crate::query::Cancel;
use crate::timeline::TimeRange;

/// How soon it is noticed that work was cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the analysis says about a capture.
#[derive(Debug, Default)]
pub(crate) struct Analyses {
    /// In order of start.
    pub(crate) requests: Vec<RequestItem>,
    pub(crate) summary: RequestSummary,
    /// How well it is known which request was in which engine step.
    pub(crate) rung: Option<&'static str>,
    /// What could not be joined.
    pub(crate) notes: Vec<String>,
    /// Which requests were in which engine step.
    pub(crate) membership: Membership,
    /// What is to blame over all requests; `None` without any, and for a capture that is too large
    /// to be analyzed.
    pub(crate) verdict: Option<VerdictItem>,
}

/// One request, as the panels show it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RequestItem {
    /// Engine's id, or what stands for it.
    pub(crate) id: String,
    pub(crate) trace_id: Option<u128>,
    pub(crate) span_id: Option<u64>,
    pub(crate) range: TimeRange,
    pub(crate) ttft_ns: Option<u64>,
    pub(crate) tpot_ns: Option<u64>,
    pub(crate) queue_ns: Option<u64>,
    pub(crate) gpu_ns: Option<u64>,
    pub(crate) model: Arc<str>,
    pub(crate) is_error: bool,
    /// Service and row of the span that the engine served it in.
    pub(crate) bar: Option<(u32, u64)>,
    /// Where its time went; the parts sum to its range. Empty when nothing says.
    pub(crate) parts: Vec<PartItem>,
    /// Steps it was in.
    pub(crate) steps: Vec<StepItem>,
}

/// A part of a request's time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PartItem {
    pub(crate) kind: PartKind,
    pub(crate) ns: u64,
    /// What shows it, the most telling first.
    pub(crate) evidence: SmallVec<[Shown; 1]>,
}

/// What shows that something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A row of a table.
    Row(TableKind, u64),
    /// All that is in a range of time.
    Range(TimeRange),
}

/// What kind of event is to blame for a part of a request's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// A kernel of this role.
    Kernel(Role),
    /// A kernel that multiplies matrices.
    Multiply,
    /// Any kernel.
    AnyKernel,
    /// A copy.
    Copy,
    /// A call of the host.
    Call,
    /// Nothing that is an event.
    Nothing,
}

/// What a part of a request's time means for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Its own work.
    Work,
    /// It waited for its turn.
    Waiting,
    /// Work that should not have been, or took longer than it should.
    Excess,
    /// Outside of the server.
    Outside,
    /// Nothing says.
    Unknown,
}

impl Tone {
    /// What the colour means.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Work => "its own work",
            Self::Waiting => "waiting",
            Self::Excess => "avoidable",
            Self::Outside => "outside",
            Self::Unknown => "unexplained",
        }
    }
}

/// One engine step a request was in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepItem {
    pub(crate) range: TimeRange,
    /// Process of the engine.
    pub(crate) process: u32,
    /// When its work ran on the device.
    pub(crate) device: Option<TimeRange>,
    /// What it was doing, in a word.
    pub(crate) phase: &'static str,
    pub(crate) own_tokens: Option<u32>,
    pub(crate) n_members: Option<u32>,
}

/// A second capture and what changed from it to the open one.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) before: Arc<Document>,
    /// In words why there is none: a capture is too large to be analyzed in memory, or damaged.
    pub(crate) diff: Result<CaptureDiff, String>,
    /// A typical step of each kind that both have.
    pub(crate) step_pairs: Vec<StepPair>,
}

impl Analyses {
    /// Analyzes a document on threads of its own, for no longer than it is waited for.
    pub(crate) fn of(document: &Arc<Document>, cancel: &Cancel) -> Self {
        let document = document.clone();
        until_cancelled(cancel, move || Self::at_once(&document)).unwrap_or_default()
    }

    /// Analyzes a document, which takes as long as the capture is large. Of a capture that does not
    /// fit in memory only the spans are looked at.
    pub(crate) fn at_once(document: &Document) -> Self {
        let mut found = Self::of_whole(document);
        found.summary = RequestSummary::of(&found.requests);
        found
    }

    fn of_whole(document: &Document) -> Self {
        let whole = match Whole::of(document) {
            Ok(whole) => whole,
            Err(why) => {
                let requests = requests_of_spans(document.timeline());
                return Self { requests, notes: vec![why], ..Self::default() };
            }
        };
        let timeline = &*whole;
        let analysis = Analysis::of(timeline, &AnalysisOptions::default());
        let requests = Requests::of(timeline, &analysis, &RequestOptions::default());
        let baseline = verdict::Baseline::of(document);
        let mut found = Self::of_requests(timeline, &requests);
        let baseline = match baseline {
            Some(Err(error)) => {
                found.notes.push(error);
                None
            }
            read => read.and_then(Result::ok),
        };
        found.verdict = VerdictItem::of(timeline, &analysis, &requests, baseline.as_ref());
        found.use_rows_of(document, timeline);
        let has_step_table = !document.timeline().steps.is_empty();
        let rows = derived::rows(&analysis, &requests, &found.requests, has_step_table);
        document.fill_rows(rows);
        found
    }
}

/// Runs work on threads of its own. `None` as soon as `cancel` is cancelled: the threads give up
/// at their next look, free what they had made and end, and nobody waits for that.
fn until_cancelled<T: Send + 'static>(
    cancel: &Cancel,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let work = || underspan_model::until_cancelled(work);
    let watched = cancel.clone();
    let threads = rayon::ThreadPoolBuilder::new().start_handler(move |_| watched.watch()).build();
    // Where the system gives no more threads: on those that there are.
    let Ok(threads) = threads else { return work() };
    let (sender, receiver) = channel();
    threads.spawn(move || {
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    while !cancel.is_cancelled() {
        match receiver.recv_timeout(LOOK_EVERY) {
            Ok(Ok(done)) => return done,
            Ok(Err(panicked)) => resume_unwind(panicked),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

impl Comparison {
    /// Compares two documents, for no longer than it is waited for.
    pub(crate) fn of(before: Arc<Document>, after: &Arc<Document>, cancel: &Cancel) -> Self {
        let (old, new) = (before.clone(), after.clone());
        match until_cancelled(cancel, move || Self::changes(&old, &new)) {
            Some(Ok((diff, step_pairs))) => Self { before, diff: Ok(diff), step_pairs },
            Some(Err(why)) => Self { before, diff: Err(why), step_pairs: Vec::new() },
            None => {
                let why = "the comparison was cancelled".to_owned();
                Self { before, diff: Err(why), step_pairs: Vec::new() }
            }
        }
    }

    fn changes(
        before: &Document,
        after: &Document,
    ) -> Result<(CaptureDiff, Vec<StepPair>), String> {
        let (old, new) = (Whole::of(before)?, Whole::of(after)?);
        let options = AnalysisOptions::default();
        let (of_old, of_new) =
            rayon::join(|| Analysis::of(&old, &options), || Analysis::of(&new, &options));
        let old = Side { timeline: &old, analysis: &of_old };
        let new = Side { timeline: &new, analysis: &of_new };
        Ok((CaptureDiff::of(old, new), step_pairs::step_pairs(old, new)))
    }
}

/// The requests that spans tell of: one per span that an engine gave a request id and whose parent
/// it did not give the same; without any such, one per server span that no other span called.
fn requests_of_spans(timeline: &Timeline) -> Vec<RequestItem> {
    let spans = &timeline.spans;
    let by_id: std::collections::HashMap<u64, u32> =
        spans.iter().map(|span| (span.span_id, span.request)).collect();
    let is_outermost = |span: &Span| {
        span.request != NONE_U32 && by_id.get(&span.parent_span_id) != Some(&span.request)
    };
    let is_entry = |span: &Span| {
        SpanKind::from_code(span.kind) == SpanKind::Server
            && !by_id.contains_key(&span.parent_span_id)
    };
    let by_request: Vec<Span> = spans.iter().filter(is_outermost).collect();
    let found = match by_request.is_empty() {
        true => spans.iter().filter(is_entry).collect(),
        false => by_request,
    };
    found.iter().map(|span| request_of_span(timeline, span)).collect()
}

fn request_of_span(timeline: &Timeline, span: &Span) -> RequestItem {
    let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id));
    let trace = u128::from(span.trace_id_high) << 64 | u128::from(span.trace_id_low);
    let id = match text(span.request) {
        "" => format!("{:016x}", span.span_id),
        id => id.to_owned(),
    };
    RequestItem {
        id,
        trace_id: (trace != 0).then_some(trace),
        span_id: (span.span_id != 0).then_some(span.span_id),
        range: TimeRange::from_ns(
            span.start_ns,
            span.start_ns.saturating_add_unsigned(span.duration_ns),
        ),
        ttft_ns: None,
        tpot_ns: None,
        queue_ns: None,
        gpu_ns: None,
        model: Arc::default(),
        is_error: SpanStatus::from_code(span.status) == SpanStatus::Error,
        bar: None,
        parts: Vec::new(),
        steps: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use underspan_model::tables::{Kernel, Span};

    /// Kernels of one stream, and a request.
    fn document(n_kernels: i64) -> Document {
        let mut timeline = Timeline::new();
        timeline.dimensions.streams.push(Default::default());
        let kernel = |at: i64| Kernel {
            start_ns: at * 100,
            duration_ns: 60 + at.unsigned_abs() % 30,
            stream: 0,
            ..Kernel::default()
        };
        (0..n_kernels).for_each(|at| timeline.kernels.push(kernel(at)));
        let request = timeline.strings.intern("request").raw();
        let kind = SpanKind::Server.code();
        timeline.spans.push(Span { duration_ns: 1_000, request, kind, ..Span::default() });
        Document::in_memory(Vec::new(), timeline).unwrap()
    }

    #[test]
    fn nobody_waits_for_work_that_was_cancelled_to_come_to_its_end() {
        let cancel = Cancel::default();
        let (go_on, may_go_on) = channel::<()>();
        let (started, has_started) = channel();
        let work = move || {
            let _ = started.send(());
            // Far from any place where it would look.
            let _ = may_go_on.recv();
        };
        let waiting = cancel.clone();
        let (answer, answers) = channel();
        std::thread::spawn(move || answer.send(until_cancelled(&waiting, work)));
        has_started.recv().unwrap();
        cancel.cancel();
        let patience = Duration::from_secs(20);
        assert_eq!(answers.recv_timeout(patience), Ok(None), "before it may go on");
        drop(go_on);
        assert_eq!(until_cancelled(&Cancel::default(), || 7), Some(7));
    }

    #[test]
    fn a_panic_in_the_work_is_one_of_who_waits_for_it() {
        let work = || -> u32 { resume_unwind(Box::new("a fault")) };
        let outcome = catch_unwind(|| until_cancelled(&Cancel::default(), work));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"a fault"));
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_given_up() {
        let document = Arc::new(document(3_000_000));
        let of = |cancel: &Cancel| Analyses::of(&document, cancel);
        let cancel = Cancel::default();
        assert_eq!(of(&cancel).requests.len(), 1);
        cancel.cancel();
        assert_eq!(of(&cancel).requests.len(), 0);
        let compared = Comparison::of(document.clone(), &document, &cancel);
        assert!(compared.diff.is_err_and(|why| why.contains("cancelled")));
        // In the middle, too.
        let cancel = Cancel::default();
        let under_way = std::thread::scope(|threads| {
            let analysis = threads.spawn(|| of(&cancel));
            std::thread::park_timeout(Duration::from_millis(5));
            cancel.cancel();
            let since = Instant::now();
            analysis.join().map(|found| (found, since.elapsed()))
        });
        let (found, took) = under_way.unwrap();
        assert_eq!(found.requests.len(), 0);
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

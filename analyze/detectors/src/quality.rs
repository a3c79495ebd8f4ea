//! What keeps a capture from carrying a verdict.

use underspan_engine::{PartKind, Request};
use underspan_model::tables::Rung;
use underspan_model::{DurationNs, ProblemKind, Severity};

use crate::Case;
use crate::measure::{percent, ratio};
use crate::sampling::Sampling;

/// Largest share of lost or invalid records.
const LOST_MAX: f64 = 0.001;
/// Least share of requests that are known to have run in steps.
const JOINED_MIN: f64 = 0.90;
/// Largest share of the slow requests' time that nothing explains.
const UNEXPLAINED_MAX: f64 = 0.20;
/// Fewest requests.
const REQUESTS_MIN: usize = 20;
/// Least share of the served requests that have spans for nothing to be said of it.
const SAMPLED_MIN: f64 = 0.90;
/// Least share for a verdict: below it what made the others wait is not seen.
const SAMPLED_HALF: f64 = 0.5;
/// Largest share of spans that cannot be.
const IMPOSSIBLE_MAX: f64 = 0.02;

/// What the evidence lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quality {
    /// What forbids a verdict, in sentences.
    pub reasons: Vec<String>,
    /// What a reader of the numbers must know, in sentences.
    pub caveats: Vec<String>,
}

impl Quality {
    /// Looks at a case.
    pub fn of(case: &Case<'_>) -> Self {
        let mut found = Self::default();
        found.look_at_requests(case);
        found.look_at_records(case);
        found.look_at_joins(case);
        found.look_at_sampling(case);
        found
    }

    fn look_at_requests(&mut self, case: &Case<'_>) {
        let with_spans = case.requests.requests.iter().filter(|r| !r.chain.is_empty()).count();
        if with_spans == 0 {
            self.reasons.push("no request spans: what is said is about steps".to_owned());
        } else if with_spans < REQUESTS_MIN {
            self.reasons.push(format!(
                "{with_spans} requests are too few to tell slow ones from the others (at least \
                 {REQUESTS_MIN})"
            ));
        }
    }

    fn look_at_records(&mut self, case: &Case<'_>) {
        let of_records = [
            ProblemKind::BufferStarved,
            ProblemKind::RecordDropped,
            ProblemKind::ZeroTimestamp,
            ProblemKind::InvertedTimestamp,
            ProblemKind::MissingTimestamp,
            ProblemKind::MissingDuration,
            ProblemKind::NonFiniteNumber,
            ProblemKind::NumberOutOfRange,
            ProblemKind::MalformedEvent,
        ];
        let problems = &case.timeline.problems;
        let lost: u64 = problems
            .iter()
            .filter(|problem| of_records.contains(&problem.kind))
            .map(|problem| problem.count)
            .sum();
        let share = ratio(lost, case.timeline.event_count() + lost);
        if share > LOST_MAX {
            self.reasons.push(format!(
                "{lost} records were lost or invalid, {:.1} % of all",
                share * 100.0
            ));
        }
        let is_torn = |kind: ProblemKind| {
            matches!(kind.severity(), Severity::Damage)
                || matches!(kind, ProblemKind::CollectionGap | ProblemKind::ProfilerTakeover)
        };
        if let Some(torn) = problems.iter().find(|problem| is_torn(problem.kind)) {
            self.reasons.push(format!("the capture is incomplete: {}", torn.kind.meaning()));
        }
        let n_gone = missing_kernels(case);
        if n_gone > 0.02 {
            self.reasons.push(format!(
                "{} of the launches have no kernel in the capture: records were dropped",
                percent(n_gone)
            ));
        }
    }

    fn look_at_joins(&mut self, case: &Case<'_>) {
        let clock = &case.requests.clock;
        let n_spans = case.requests.requests.len();
        // Without device work nothing is joined to it.
        if clock.is_refused && !case.analysis.occupancy.devices.is_empty() {
            self.reasons.push(
                "the clocks of spans and device work agree to no better than half a step"
                    .to_owned(),
            );
        }
        if let Some(correction) = clock.correction {
            let off = DurationNs::from_ns(correction.offset_ns.unsigned_abs());
            let within = DurationNs::from_ns(clock.uncertainty_ns.unwrap_or(0));
            let told = correction.evidence.meaning();
            if correction.is_pinned {
                self.caveats.push(format!(
                    "the clock of the spans is {off} off, to within {within} as told by {told}; all \
                     times of spans were moved by that"
                ));
            } else {
                // Single requests can be explained; which of them were slow, and why, on a clock
                // that is known no better is another matter.
                self.reasons.push(format!(
                    "the clock of the spans is {off} off, known to no better than {within} as told by \
                     {told}"
                ));
            }
        }
        if clock.n_impossible_spans as f64 > IMPOSSIBLE_MAX * n_spans as f64 && n_spans > 0 {
            self.reasons.push(format!(
                "{} spans lie outside the span that called them: their clocks do not agree",
                clock.n_impossible_spans
            ));
        }
        if case.steps().is_empty() {
            if n_spans > 0 {
                self.reasons.push("no steps: requests cannot be joined to device work".to_owned());
            }
            return;
        }
        // Requests that lie wholly within the time of the trace must have run in it.
        let start = case.schedule.runs.iter().map(|run| run.start_ns).min().unwrap_or(i64::MAX);
        let end = case.schedule.runs.iter().map(|run| run.end_ns).max().unwrap_or(i64::MIN);
        let within = |request: &&Request| {
            request.serving.start().as_ns() >= start && request.serving.end().as_ns() <= end
        };
        let inside: Vec<&Request> = case.requests.requests.iter().filter(within).collect();
        let joined = inside.iter().filter(|request| !request.steps.is_empty()).count();
        let share = joined as f64 / inside.len().max(1) as f64;
        if !inside.is_empty() && share < JOINED_MIN {
            self.reasons.push(format!(
                "only {} of the requests are known to have run in a step",
                percent(share)
            ));
        }
        self.caveats.extend(case.coverage.caveat());
        let slow = case.slow();
        let sum = |of: &dyn Fn(&Request) -> u64| -> u64 {
            slow.iter().map(|at| of(&case.requests.requests[*at])).sum()
        };
        let unexplained = ratio(
            sum(&|request| request.of_kind(PartKind::Unexplained).as_ns()),
            sum(&|request| request.duration().as_ns()),
        );
        if unexplained > UNEXPLAINED_MAX {
            self.reasons.push(format!(
                "nothing explains {} of the slow requests' time",
                percent(unexplained)
            ));
        }
        if case.requests.rung >= Rung::Inferred && case.requests.rung != Rung::None {
            self.caveats.push(
                "membership of requests in steps is estimated from times, not recorded".to_owned(),
            );
        }
    }

    fn look_at_sampling(&mut self, case: &Case<'_>) {
        let Some(sampling) = Sampling::of(case).filter(|s| s.share() < SAMPLED_MIN) else { return };
        let text = format!(
            "spans of {:.0} of {:.0} {}: a sample, percentiles are of it",
            sampling.n_with_spans, sampling.n_served, sampling.source
        );
        if sampling.share() < SAMPLED_HALF {
            self.reasons.push(text);
        } else {
            self.caveats.push(text);
        }
    }
}

/// Share of launching calls in the middle of the capture whose work is missing.
fn missing_kernels(case: &Case<'_>) -> f64 {
    use underspan_engine::CallKind;
    let calls = &case.timeline.api_calls;
    let launches = case.analysis.correlation.launches();
    let (Some(first), Some(last)) =
        (case.timeline.kernels.start_ns.first(), case.timeline.kernels.start_ns.last())
    else {
        return 0.0;
    };
    let names = case.analysis.correlation.call_names();
    let (mut n, mut without) = (0_u64, 0_u64);
    for row in 0..calls.len() {
        let start = calls.start_ns[row];
        let launches_work =
            matches!(names.kind(calls.name[row]), CallKind::KernelLaunch | CallKind::GraphLaunch);
        if launches_work && start > *first && start.saturating_add(50_000_000) < *last {
            n += 1;
            without += u64::from(launches.first_start_of(row as u32).is_none());
        }
    }
    ratio(without, n)
}

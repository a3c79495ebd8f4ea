//! How much of a capture its trace of the device covers.
//!
//! Spans and counters often cover minutes and the trace of the device a few seconds of them. What
//! steps show is known of the requests that ran meanwhile only; for the others the same is taken
//! as for requests that took about as long. Where requests take longer than the trace, what happened
//! to the parts of them that lie in it is taken for the whole.

use underspan_engine::Requests;
use underspan_model::Timeline;

/// Share of a request's time in the server that must lie in the trace for it to be covered.
const COVERED_MIN: f64 = 0.9;
/// The same for what happened in that part to be taken for the whole.
const PART_MIN: f64 = 0.1;
/// Least share of requests that are not covered for the rest to speak for them.
const UNCOVERED_MIN: f64 = 0.05;
/// Fewest covered requests that can.
const SPEAKERS_MIN: usize = 5;
/// How many covered requests of about the same latency speak for one that is not.
const SPEAKERS: usize = 9;

/// What the trace of the device covers; all of it where the rest is too little to matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// By request; empty when all are covered.
    requests: Vec<bool>,
    /// By step; empty when all are covered.
    steps: Vec<bool>,
    /// By request, how much of its time in the server lies in the trace, in nanoseconds; zero where
    /// that is too little to say anything. Empty unless parts speak for the whole.
    parts_ns: Vec<u64>,
}

impl Coverage {
    /// Holds requests and steps against the time of the device's work.
    pub(crate) fn of(timeline: &Timeline, requests: &Requests) -> Self {
        let kernels = &timeline.kernels;
        let Some(start) = kernels.start_ns.first().copied() else { return Self::default() };
        let ends = kernels.start_ns.iter().zip(&kernels.duration_ns);
        let end = ends.map(|(start, ns)| start.saturating_add_unsigned(*ns)).max();
        let end = end.unwrap_or(start);
        let inside = |from: i64, to: i64| (to.min(end) - from.max(start)).max(0) as f64;
        let spans = requests.requests.iter().map(|request| request.serving);
        let spans = spans.map(|span| (span.start().as_ns(), span.end().as_ns()));
        let of_least = |least: f64| {
            let enough = move |(from, to): (i64, i64)| {
                let ns = inside(from, to);
                if ns >= least * (to - from).max(1) as f64 { ns as u64 } else { 0 }
            };
            spans.clone().map(enough)
        };
        let covered: Vec<bool> = of_least(COVERED_MIN).map(|ns| ns > 0).collect();
        let n_covered = covered.iter().filter(|covered| **covered).count();
        let n_open = covered.len() - n_covered;
        if (n_open as f64) < UNCOVERED_MIN * covered.len() as f64 {
            return Self::default();
        }
        let mut parts_ns = Vec::new();
        if n_covered < SPEAKERS_MIN {
            parts_ns = of_least(PART_MIN).collect();
            if parts_ns.iter().filter(|ns| **ns > 0).count() < SPEAKERS_MIN {
                return Self::default();
            }
        }
        let steps = requests.steps.iter().map(|step| {
            let (from, to) = (step.window.start().as_ns(), step.window.end().as_ns());
            step.device_interval.is_some() || from >= start && to <= end
        });
        Self { requests: covered, steps: steps.collect(), parts_ns }
    }

    /// Whether requests are left out.
    pub(crate) fn is_partial(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether next to no request is covered as a whole.
    pub(crate) fn is_of_parts(&self) -> bool {
        !self.parts_ns.is_empty()
    }

    /// What of the requests is covered, in a sentence; `None` when all are.
    pub(crate) fn caveat(&self) -> Option<String> {
        let n = self.requests.len();
        let n_covered = self.requests.iter().filter(|covered| **covered).count();
        let n_parts = self.parts_ns.iter().filter(|ns| **ns > 0).count();
        let text = match (self.is_partial(), n_parts) {
            (false, _) => return None,
            (true, 0) => format!(
                "the trace of the device covers {n_covered} of {n} requests: what steps show of them \
                 is carried over to others of the same latency"
            ),
            (true, _) => format!(
                "the trace of the device is shorter than the requests and covers parts of {n_parts} \
                 of {n}: what steps show of these parts is taken for the whole, and for others of \
                 the same latency"
            ),
        };
        Some(text)
    }

    /// Whether the trace covers a request.
    pub(crate) fn has_request(&self, at: usize) -> bool {
        self.requests.get(at).copied().unwrap_or(true)
    }

    /// Whether the trace covers a step.
    pub(crate) fn has_step(&self, at: usize) -> bool {
        self.steps.get(at).copied().unwrap_or(true)
    }

    /// Latencies in which what was not covered changes as much as covered requests that took
    /// about as long do: from `before` to `after`.
    pub(crate) fn carried_over(&self, before: &[u64], after: &[u64]) -> Vec<u64> {
        let speaker = |at: usize| {
            let of_part = self.parts_ns.get(at).copied();
            let left = match of_part {
                // What was taken out was in the part that the trace covers.
                Some(ns) if ns > 0 => {
                    (1.0 - before[at].saturating_sub(after[at]) as f64 / ns as f64).max(0.0)
                }
                None if self.has_request(at) => after[at] as f64 / before[at].max(1) as f64,
                _ => return None,
            };
            Some((before[at], left))
        };
        let mut speakers: Vec<(u64, f64)> = (0..before.len()).filter_map(speaker).collect();
        speakers.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let n = SPEAKERS.min(speakers.len());
        let ratio = |latency: u64| {
            let middle = speakers.partition_point(|(other, _)| *other < latency);
            let (mut from, mut to) = (middle, middle);
            while to - from < n {
                let below = from.checked_sub(1).map(|at| latency - speakers[at].0);
                let above = speakers.get(to).map(|(other, _)| other - latency);
                match (below, above) {
                    (Some(below), above) if above.is_none_or(|above| below <= above) => from -= 1,
                    _ => to += 1,
                }
            }
            let near = &speakers[from..to];
            near.iter().map(|(_, ratio)| ratio).sum::<f64>() / n.max(1) as f64
        };
        let of = |at: usize| match self.has_request(at) {
            true => after[at],
            false => (before[at] as f64 * ratio(before[at])) as u64,
        };
        (0..before.len()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_covered_changes_as_its_likes_do() {
        let covered: Vec<bool> = (0..60).map(|at| at % 3 != 0).collect();
        let coverage = Coverage { requests: covered, ..Coverage::default() };
        // Long requests halve, short ones stay.
        let before: Vec<u64> = (0..60).map(|at| if at < 30 { 100 + at } else { 10_000 }).collect();
        let after: Vec<u64> = (0..60)
            .map(|at| if at % 3 == 0 || at < 30 { before[at] } else { before[at] / 2 })
            .collect();
        let carried = coverage.carried_over(&before, &after);
        assert_eq!(carried[..30], before[..30]);
        assert!(carried[30..].iter().all(|ns| *ns == 5_000), "{carried:?}");
        let all = Coverage::default();
        assert_eq!((all.caveat(), all.has_step(7)), (None, true));
        assert!(coverage.caveat().is_some_and(|text| text.contains("40 of 60 requests")));
    }

    #[test]
    fn parts_of_requests_speak_for_the_whole_of_them() {
        // Requests of 10,000 ns, of 2,500 of which the trace knows; of a tenth nothing is known.
        let parts_ns: Vec<u64> = (0..60).map(|at| if at % 10 == 0 { 0 } else { 2_500 }).collect();
        let coverage = Coverage { requests: vec![false; 60], steps: Vec::new(), parts_ns };
        let before = vec![10_000; 60];
        let after: Vec<u64> = (0..60).map(|at| if at % 10 == 0 { 10_000 } else { 9_500 }).collect();
        let carried = coverage.carried_over(&before, &after);
        assert!(carried.iter().all(|ns| ns.abs_diff(8_000) <= 1), "a fifth of each: {carried:?}");
        assert!(coverage.caveat().is_some_and(|text| text.contains("parts of 54 of 60")));
    }
}

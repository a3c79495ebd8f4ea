//! How far clocks are apart by how many requests each step says it had.

use underspan_model::tables::Rung;

use super::super::discover::Found;
use super::super::engine_steps::EngineSteps;
use super::{
    Apart, ClockEvidence, FEWEST, NEAR_NS, STAMP_NS, TOLD, densest, near_offsets, offsets, sample,
    search,
};
use underspan_model::give_up_if_cancelled;

/// Counts of steps and spans differ by no more than this share on clocks that agree.
const AGREES: f64 = 0.15;
/// How much better an offset must fit than none.
const BETTER: f64 = 0.6;
/// How many times as many requests must be taken in at their stamps as at any other offset.
const DISTINCT: f64 = 2.5;

/// How many requests steps say they had, and how many were running by their spans.
pub(super) struct Counts {
    /// Instants of steps with their requests.
    steps: Vec<(i64, f64)>,
    /// Starts of steps that took prompts in, in order.
    taking_in: Vec<i64>,
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Counts {
    /// `None` when too few steps count their requests, or too few spans tell when theirs ran.
    pub(super) fn of(found: &[Found], steps: &EngineSteps) -> Option<Self> {
        let mut taking_in = Vec::new();
        let counted: Vec<(i64, f64)> = steps
            .steps
            .iter()
            .filter(|step| step.rung == Rung::Counts)
            .filter_map(|step| {
                let label = &step.label;
                if label.context_requests.is_some_and(|n| n > 0) {
                    taking_in.push(step.host.start().as_ns());
                }
                let by_phase = label.context_requests.zip(label.generation_requests);
                let n = label.requests.or(by_phase.map(|(a, b)| a + b))?;
                Some((step.host.start().as_ns(), n as f64))
            })
            .collect();
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for request in found {
            give_up_if_cancelled();
            let facts = &request.facts;
            let (Some(ttft), Some(prefill)) = (facts.ttft_ns, facts.prefill_ns) else { continue };
            let first = request.serving.start().as_ns().saturating_add(ttft);
            starts.push(first.saturating_sub(prefill));
            ends.push(first.saturating_add(facts.decode_ns.unwrap_or(0)));
        }
        starts.sort_unstable();
        ends.sort_unstable();
        taking_in.sort_unstable();
        let steps = sample(counted);
        (steps.len() >= FEWEST && starts.len() >= FEWEST).then_some(Self {
            steps,
            taking_in,
            starts,
            ends,
        })
    }

    /// Mean share by which the two counts differ once `offset` is added to the times of spans.
    fn mismatch(&self, offset: i64) -> f64 {
        let running = |at: i64| {
            let at = at.saturating_sub(offset);
            let begun = self.starts.partition_point(|start| *start <= at);
            let ended = self.ends.partition_point(|end| *end <= at);
            begun.saturating_sub(ended) as f64
        };
        let counts: Vec<(f64, f64)> =
            self.steps.iter().map(|(at, stated)| (*stated, running(*at))).collect();
        let stated: f64 = counts.iter().map(|(stated, _)| stated).sum();
        let by_spans: f64 = counts.iter().map(|(_, running)| running).sum();
        if by_spans == 0.0 || stated == 0.0 {
            return 1.0;
        }
        // Requests whose callers asked for no spans are missing from all steps alike.
        let scale = (stated / by_spans).max(1.0);
        let apart = counts.iter().map(|(stated, running)| (stated - running * scale).abs());
        apart.sum::<f64>() / stated
    }

    /// `None` when the clocks agree, or no offset fits better.
    pub(super) fn apart(&self) -> Option<Apart> {
        let stamps = sample(self.starts.clone());
        let is_taken_in = |offset| self.n_taken_in(&stamps, offset) >= TOLD * stamps.len() as f64;
        // Both signs agree on clocks that do: nothing is searched.
        if self.mismatch_near() < AGREES && near_offsets().any(is_taken_in) {
            return None;
        }
        match self.by_stamps(&stamps) {
            Some((offset, _)) if offset.abs() <= NEAR_NS => None,
            Some((offset_ns, uncertainty)) => Some(Apart {
                offset_ns,
                uncertainty_ns: Some(uncertainty),
                evidence: ClockEvidence::Counts,
            }),
            None => self.by_mismatch(),
        }
    }

    /// A request is scheduled just before the step that takes its prompt in begins: the offset at
    /// which most are, and how far the true one may lie from it. `None` when no offset stands out.
    fn by_stamps(&self, stamps: &[i64]) -> Option<(i64, u64)> {
        let n_near = |offset: i64| self.n_taken_in(stamps, offset);
        let (coarse, best) = search(|offset| -n_near(offset));
        let best = -best;
        let is_elsewhere = |offset: &i64| offset.abs_diff(coarse) > NEAR_NS.unsigned_abs();
        let elsewhere = offsets().filter(is_elsewhere).map(n_near).fold(0.0, f64::max);
        if best < TOLD * stamps.len() as f64 || best < DISTINCT * elsewhere {
            return None;
        }
        let mut left: Vec<i64> =
            stamps.iter().filter_map(|start| self.away(*start, coarse)).collect();
        let (middle, _) = densest(&mut left)?;
        Some((coarse.saturating_add(middle), STAMP_NS.unsigned_abs()))
    }

    /// How far the nearest step that took prompts in lies from a stamp that is moved.
    fn away(&self, stamp: i64, offset: i64) -> Option<i64> {
        let at = stamp.saturating_add(offset);
        let next = self.taking_in.partition_point(|step| *step < at);
        let near = self.taking_in[next.saturating_sub(1)..].iter().take(2);
        near.map(|step| step.saturating_sub(at)).min_by_key(|away| away.unsigned_abs())
    }

    /// How many stamps such a step begins at.
    fn n_taken_in(&self, stamps: &[i64], offset: i64) -> f64 {
        let all = stamps.iter().filter_map(|stamp| self.away(*stamp, offset));
        all.filter(|away| away.abs() <= STAMP_NS).count() as f64
    }

    fn mismatch_near(&self) -> f64 {
        near_offsets().map(|offset| self.mismatch(offset)).fold(f64::INFINITY, f64::min)
    }

    /// The offset by which the counts fit much better than they do as they stand. Counts change
    /// slowly: how far it may be off is not known.
    fn by_mismatch(&self) -> Option<Apart> {
        let near = self.mismatch_near();
        if near < AGREES {
            return None;
        }
        let (offset_ns, best) = search(|offset| self.mismatch(offset));
        let evidence = ClockEvidence::Counts;
        (best < near * BETTER).then_some(Apart { offset_ns, uncertainty_ns: None, evidence })
    }
}

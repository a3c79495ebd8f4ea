//! How long steps took, before and after, with an interval that says what is noise.
//!
//! A quantile's interval is that of its order statistics (binomial, normal approximation, 95 %): it
//! assumes nothing about the distribution. A change counts when the intervals do not overlap.

use std::collections::BTreeMap;

use underspan_model::tables::AnnotationKind;
use underspan_model::{DurationNs, StringId};

use super::Side;

/// Fewer samples have no interval.
const MIN_SAMPLES: usize = 8;
/// Runs of a TensorRT engine.
const RUN: &str = "tensorrt run";

/// A quantile and where it lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantile {
    /// The quantile, by nearest rank.
    pub value: DurationNs,
    /// Low and high end of its interval; the whole range when samples are few.
    pub interval: [DurationNs; 2],
}

/// One quantile on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuantileChange {
    /// 50, 95 or 99.
    pub percent: u8,
    /// Either side.
    pub sides: [Quantile; 2],
}

impl QuantileChange {
    /// Whether the change is more than noise: the intervals do not overlap, and samples suffice.
    pub fn is_significant(&self) -> bool {
        let [before, after] = self.sides;
        before.interval[1] < after.interval[0] || after.interval[1] < before.interval[0]
    }

    /// After over before.
    pub fn ratio(&self) -> f64 {
        self.sides[1].value.as_ns() as f64 / self.sides[0].value.as_ns().max(1) as f64
    }
}

/// The latency of one kind of step on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyChange {
    /// Kind of step: `decode`, `prefill`, `tensorrt run`.
    pub kind: String,
    /// Samples on either side.
    pub count: [u64; 2],
    /// Whether there are too few samples on a side to tell a change from noise.
    pub is_sparse: bool,
    /// p50, p95, p99.
    pub quantiles: [QuantileChange; 3],
}

/// Latencies of what both sides have.
pub(super) fn changes(sides: &[Side<'_>; 2]) -> Vec<LatencyChange> {
    let mut kinds: BTreeMap<String, [Vec<u64>; 2]> = BTreeMap::new();
    for (at, side) in sides.iter().enumerate() {
        let mut add = |kind: &str, ns: u64| {
            kinds.entry(kind.to_owned()).or_default()[at].push(ns);
        };
        for step in side.analysis.steps.serving.iter().chain(&side.analysis.steps.profiler) {
            add(&format!("{} step", step.label.kind.as_str()), step.interval.duration().as_ns());
        }
        let annotations = &side.timeline.annotations;
        let run = side.timeline.strings.find(RUN).unwrap_or(StringId::NONE).raw();
        for row in annotations.iter() {
            let is_run = row.name == run && row.annotation_kind() == AnnotationKind::GpuUser;
            if is_run && run != StringId::NONE.raw() {
                add(RUN, row.duration_ns);
            }
        }
    }
    kinds
        .into_iter()
        .filter(|(_, samples)| samples.iter().all(|samples| !samples.is_empty()))
        .map(|(kind, mut samples)| {
            samples.iter_mut().for_each(|samples| samples.sort_unstable());
            let quantiles = [50, 95, 99].map(|percent| QuantileChange {
                percent,
                sides: [0, 1].map(|side| quantile(&samples[side], percent)),
            });
            LatencyChange {
                kind,
                count: [0, 1].map(|side| samples[side].len() as u64),
                is_sparse: samples.iter().any(|samples| samples.len() < MIN_SAMPLES),
                quantiles,
            }
        })
        .collect()
}

/// A quantile of sorted samples, of which there is at least one.
fn quantile(sorted: &[u64], percent: u8) -> Quantile {
    let n = sorted.len();
    let at = |rank: f64| {
        let index = (rank.max(1.0) as usize).min(n) - 1;
        DurationNs::from_ns(sorted.get(index).copied().unwrap_or(0))
    };
    let p = f64::from(percent) / 100.0;
    let rank = (p * n as f64).ceil();
    let interval = if n < MIN_SAMPLES {
        [at(1.0), at(n as f64)]
    } else {
        let margin = 1.96 * (n as f64 * p * (1.0 - p)).sqrt();
        [at((p * n as f64 - margin).floor()), at((p * n as f64 + margin).ceil() + 1.0)]
    };
    Quantile { value: at(rank), interval }
}

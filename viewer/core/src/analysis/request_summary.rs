//! What the list of requests shows of all of them together.

use super::RequestItem;

/// Bars of the histogram.
pub(crate) const BARS: usize = 40;

/// Percentiles that are shown, by name and share.
const SHARES: [(&str, f64); 5] =
    [("p50", 0.50), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)];

/// How long requests took, and what is known of any of them. Made once: with a million requests it
/// takes longer than a frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct RequestSummary {
    /// Nearest-rank percentiles of their durations in nanoseconds; empty without any.
    pub(crate) percentiles: Vec<(&'static str, u64)>,
    pub(crate) durations: Durations,
    pub(crate) has_ttft: bool,
    pub(crate) has_queue: bool,
    pub(crate) has_gpu: bool,
    pub(crate) has_tpot: bool,
}

/// A histogram of durations on a logarithmic scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Durations {
    pub(crate) shortest_ns: u64,
    pub(crate) longest_ns: u64,
    pub(crate) bars: [u32; BARS],
}

impl Default for Durations {
    fn default() -> Self {
        Self { shortest_ns: 0, longest_ns: 0, bars: [0; BARS] }
    }
}

impl RequestSummary {
    pub(crate) fn of(requests: &[RequestItem]) -> Self {
        let mut lengths: Vec<u64> = requests.iter().map(|request| request.range.len_ns()).collect();
        lengths.sort_unstable();
        let at = |share: f64| {
            let rank = ((share * lengths.len() as f64).ceil() as usize).max(1);
            lengths.get(rank - 1).copied()
        };
        let has = |known: fn(&RequestItem) -> bool| requests.iter().any(known);
        Self {
            percentiles: SHARES
                .iter()
                .filter_map(|(name, share)| Some((*name, at(*share)?)))
                .collect(),
            durations: Durations::of_sorted(&lengths),
            has_ttft: has(|request| request.ttft_ns.is_some()),
            has_queue: has(|request| request.queue_ns.is_some()),
            has_gpu: has(|request| request.gpu_ns.is_some()),
            has_tpot: has(|request| request.tpot_ns.is_some()),
        }
    }
}

impl Durations {
    fn of_sorted(lengths: &[u64]) -> Self {
        let (Some(first), Some(last)) = (lengths.first(), lengths.last()) else {
            return Self::default();
        };
        let mut of = Self { shortest_ns: *first, longest_ns: *last, ..Self::default() };
        for length in lengths {
            let at = ((*length).max(1) as f64).ln() - of.low();
            let bar = ((at / of.span() * BARS as f64) as usize).min(BARS - 1);
            of.bars[bar] += 1;
        }
        of
    }

    /// The duration at a fraction of the width.
    pub(crate) fn at(&self, fraction: f64) -> u64 {
        (self.low() + fraction * self.span()).exp().round() as u64
    }

    fn low(&self) -> f64 {
        (self.shortest_ns.max(1) as f64).ln()
    }

    fn span(&self) -> f64 {
        ((self.longest_ns.max(2) as f64).ln() - self.low()).max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_a_bar_that_stands_for_it() {
        let lengths = [1_000, 1_000, 5_000, 90_000, 1_000_000];
        let of = Durations::of_sorted(&lengths);
        assert_eq!(of.bars.iter().sum::<u32>(), 5);
        assert_eq!((of.bars[0], of.bars[BARS - 1]), (2, 1));
        assert_eq!([of.at(0.0), of.at(1.0)], [1_000, 1_000_000]);
        for (bar, _) in of.bars.iter().enumerate().filter(|(_, n)| **n > 0) {
            let ends = [bar, bar + 1].map(|at| of.at(at as f64 / BARS as f64));
            let is_in = |length: &u64| (ends[0] - 1..=ends[1] + 1).contains(length);
            assert!(lengths.iter().any(is_in), "{ends:?}");
        }
        assert_eq!(Durations::of_sorted(&[]), Durations::default());
        assert_eq!(Durations::of_sorted(&[7, 7, 7]).bars.iter().sum::<u32>(), 3);
    }
}

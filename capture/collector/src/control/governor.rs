//! Keeps what recording costs below a budget.

use std::time::{Duration, Instant};

/// Measurements in a row above the budget after which detail is given up: a burst of work, such as
/// the capture of graphs, is no reason.
const PATIENCE: u32 = 3;

/// Watches the cost of recording.
#[derive(Debug)]
pub(super) struct Governor {
    budget_permille: u64,
    /// Time over which cost is measured.
    measure: Duration,
    last: Option<(Instant, u64)>,
    n_over: u32,
}

impl Governor {
    /// For a budget in thousandths of a core, above which cost may be for `window`.
    pub(super) fn new(budget_permille: u32, window: Duration) -> Self {
        let measure = window / PATIENCE;
        Self { budget_permille: u64::from(budget_permille), measure, last: None, n_over: 0 }
    }

    /// Takes the CPU time that recording has cost in all, in nanoseconds. Answers the cost in
    /// thousandths of a core when detail is to be given up.
    pub(super) fn look(&mut self, now: Instant, cost_ns: u64) -> Option<u64> {
        let Some((then, before_ns)) = self.last else {
            self.last = Some((now, cost_ns));
            return None;
        };
        let elapsed = now.saturating_duration_since(then);
        if elapsed < self.measure {
            return None;
        }
        self.last = Some((now, cost_ns));
        let spent = u128::from(cost_ns.saturating_sub(before_ns)) * 1000;
        let permille = u64::try_from(spent / elapsed.as_nanos().max(1)).unwrap_or(u64::MAX);
        if permille <= self.budget_permille {
            self.n_over = 0;
            return None;
        }
        self.n_over += 1;
        if self.n_over < PATIENCE {
            return None;
        }
        // What is left gets as long to show what it costs.
        self.n_over = 0;
        Some(permille)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_forgiven_and_a_habit_is_not() {
        let mut governor = Governor::new(10, Duration::from_secs(3));
        let start = Instant::now();
        let mut cost_ns = 5_000_000_000;
        let mut look = |second: u64, spent_ns: u64| {
            cost_ns += spent_ns;
            governor.look(start + Duration::from_secs(second), cost_ns)
        };
        assert_eq!(look(0, 0), None, "what was before does not count");
        assert_eq!(look(1, 900_000_000), None);
        assert_eq!(look(2, 900_000_000), None);
        assert_eq!(look(3, 10_000_000), None, "exactly the budget");
        assert_eq!(look(4, 11_000_000), None);
        assert_eq!(look(5, 11_000_000), None);
        assert_eq!(look(6, 25_000_000), Some(25));
        assert_eq!(look(7, 25_000_000), None, "the next step takes as long");
        assert_eq!(look(8, 25_000_000), None);
        assert_eq!(look(9, 50_000_000), Some(50));
    }
}

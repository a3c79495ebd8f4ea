//! From the monotonic clock to the wall clock.

/// Two anchors a second apart whose difference of clocks changed by more than this: the wall clock
/// was set, not steered.
const STEP_NS: i64 = 5_000_000;

/// The anchors of one file.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Monotonic time and what to add to it, in order of time.
    anchors: Vec<(i64, i64)>,
}

impl Clock {
    /// Adds a reading of both clocks.
    pub(super) fn anchor(&mut self, realtime_ns: i64, monotonic_ns: i64) {
        self.anchors.push((monotonic_ns, realtime_ns.saturating_sub(monotonic_ns)));
    }

    /// Call when all anchors are in, before anything is converted.
    pub(super) fn settle(&mut self) {
        self.anchors.sort_unstable();
        self.anchors.dedup_by_key(|anchor| anchor.0);
    }

    /// Whether there is no anchor at all: times stay monotonic.
    pub(super) fn is_missing(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Wall-clock time of a monotonic time.
    pub(super) fn realtime_ns(&self, monotonic_ns: i64) -> i64 {
        let next = self.anchors.partition_point(|anchor| anchor.0 <= monotonic_ns);
        let before = next.checked_sub(1).and_then(|at| self.anchors.get(at));
        let delta = match (before, self.anchors.get(next)) {
            (Some(&(t0, d0)), Some(&(t1, d1))) => between((t0, d0), (t1, d1), monotonic_ns),
            (Some(&(_, delta)), None) | (None, Some(&(_, delta))) => delta,
            (None, None) => 0,
        };
        monotonic_ns.saturating_add(delta)
    }
}

/// The difference of clocks between two anchors, on a straight line unless the clock was set.
fn between((t0, d0): (i64, i64), (t1, d1): (i64, i64), at: i64) -> i64 {
    let change = i128::from(d1) - i128::from(d0);
    let (passed, whole) = (i128::from(at) - i128::from(t0), i128::from(t1) - i128::from(t0));
    if change.abs() > i128::from(STEP_NS) || whole <= 0 {
        return d0;
    }
    d0.saturating_add((change * passed / whole) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(anchors: &[(i64, i64)]) -> Clock {
        let mut clock = Clock::default();
        anchors.iter().for_each(|(realtime, monotonic)| clock.anchor(*realtime, *monotonic));
        clock.settle();
        clock
    }

    #[test]
    fn times_between_anchors_lie_on_a_line() {
        let clock = clock(&[(1_002_010, 2_000), (1_001_000, 1_000)]);
        assert_eq!(clock.realtime_ns(1_000), 1_001_000);
        assert_eq!(clock.realtime_ns(1_500), 1_001_505);
        assert_eq!(clock.realtime_ns(2_000), 1_002_010);
        assert_eq!(clock.realtime_ns(500), 1_000_500);
        assert_eq!(clock.realtime_ns(3_000), 1_003_010);
    }

    #[test]
    fn a_clock_that_was_set_is_not_smeared() {
        let clock = clock(&[(100, 0), (3_600_000_000_100, 1_000)]);
        assert_eq!(clock.realtime_ns(999), 1_099);
        assert_eq!(clock.realtime_ns(1_000), 3_600_000_000_100);
    }

    #[test]
    fn no_time_overflows() {
        let clock = clock(&[(i64::MAX, i64::MIN), (i64::MIN, i64::MAX)]);
        for at in [i64::MIN, -1, 0, 1, i64::MAX] {
            let _ = clock.realtime_ns(at);
        }
        assert!(Clock::default().is_missing());
        assert_eq!(Clock::default().realtime_ns(7), 7);
    }
}

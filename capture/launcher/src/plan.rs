//! When to start and stop recording.

use std::time::Duration;

use crate::RecordOptions;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing is to be recorded yet.
    Wait,
    /// Processes are to record.
    Record,
    /// Nothing is to be recorded any more.
    Stop(StopReason),
}

/// Why recording stops before the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It lasted as long as it should.
    Duration,
    /// The files are as large as they may be.
    Size,
}

/// Delay, duration and size of a recording.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    delay: Duration,
    duration: Option<Duration>,
    max_size_bytes: Option<u64>,
    stopped: Option<StopReason>,
}

impl Plan {
    /// The plan of `options`.
    pub fn of(options: &RecordOptions) -> Self {
        Self {
            delay: options.delay.unwrap_or_default(),
            duration: options.duration,
            max_size_bytes: options.max_size_bytes,
            stopped: None,
        }
    }

    /// What to do `elapsed` after the start, with `bytes` in files. Once stopped it stays so.
    pub fn action(&mut self, elapsed: Duration, bytes: u64) -> Action {
        if let Some(reason) = self.stopped {
            return Action::Stop(reason);
        }
        if elapsed < self.delay {
            return Action::Wait;
        }
        let is_over = self.duration.is_some_and(|duration| elapsed >= self.delay + duration);
        let is_full = self.max_size_bytes.is_some_and(|most| bytes >= most);
        self.stopped = match (is_over, is_full) {
            (true, _) => Some(StopReason::Duration),
            (false, true) => Some(StopReason::Size),
            (false, false) => return Action::Record,
        };
        self.stopped.map_or(Action::Record, Action::Stop)
    }

    /// How long nothing changes by itself, if anything ever does.
    pub fn next_change(&self, elapsed: Duration) -> Option<Duration> {
        let ends = self.duration.map(|duration| self.delay + duration);
        let changes = [Some(self.delay), ends].into_iter().flatten();
        changes.filter(|at| *at > elapsed).min().map(|at| at - elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_delay_and_a_duration_follow_each_other() {
        let options =
            RecordOptions { delay: Some(s(2)), duration: Some(s(3)), ..RecordOptions::default() };
        let mut plan = Plan::of(&options);
        assert_eq!((plan.action(s(1), 0), plan.next_change(s(1))), (Action::Wait, Some(s(1))));
        assert_eq!((plan.action(s(2), 0), plan.next_change(s(2))), (Action::Record, Some(s(3))));
        assert_eq!(plan.action(s(5), 0), Action::Stop(StopReason::Duration));
        assert_eq!(plan.next_change(s(5)), None);
    }

    #[test]
    fn a_full_recording_stays_stopped() {
        let options = RecordOptions { max_size_bytes: Some(100), ..RecordOptions::default() };
        let mut plan = Plan::of(&options);
        assert_eq!(plan.action(s(0), 99), Action::Record);
        assert_eq!(plan.action(s(1), 100), Action::Stop(StopReason::Size));
        assert_eq!(plan.action(s(2), 0), Action::Stop(StopReason::Size), "pieces were removed");
    }
}

//! How long to wait before the next attempt.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
/// Longest wait an endpoint may ask for.
const ASKED_MAX: Duration = Duration::from_secs(60);

/// Waits that grow with each failure, with some chance in them: workers that failed together do
/// not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    max: Duration,
    chance: u32,
}

impl Backoff {
    pub(super) fn new(max: Duration, seed: u32) -> Self {
        Self { next: FIRST.min(max), max, chance: seed | 1 }
    }

    /// The wait after a failure; at least as long as the endpoint asked for.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> Duration {
        // xorshift32: any spread will do.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 17;
        self.chance ^= self.chance << 5;
        let half = self.next / 2;
        let wait = half + half.mul_f64(f64::from(self.chance) / f64::from(u32::MAX));
        self.next = (self.next * 2).min(self.max);
        asked.map_or(wait, |asked| asked.min(ASKED_MAX).max(wait))
    }

    pub(super) fn reset(&mut self) {
        self.next = FIRST.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_start_again() {
        let max = Duration::from_secs(5);
        let mut backoff = Backoff::new(max, 7);
        let waits: Vec<_> = (0..20).map(|_| backoff.wait(None)).collect();
        for (at, wait) in waits.iter().enumerate() {
            let full = (FIRST * 2_u32.pow(at.min(10) as u32)).min(max);
            assert!(*wait >= full / 2 && *wait <= full, "wait {at} is {wait:?}, at most {full:?}");
        }
        assert_eq!(backoff.wait(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(backoff.wait(Some(Duration::MAX)), ASKED_MAX);
        backoff.reset();
        assert!(backoff.wait(None) <= FIRST);
    }
}

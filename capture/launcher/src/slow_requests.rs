//! Tells when requests are slower than they may be.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use underspan_receiver::FinishedRequest;

/// How far back requests are held to an objective.
const WINDOW: Duration = Duration::from_secs(60);
/// Requests before an objective is judged: a first one that misses it says nothing.
const FEWEST: usize = 20;

/// What requests have to keep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestLimits {
    /// One request that takes longer is reason enough.
    pub slower_than: Option<Duration>,
    /// A share of all requests has to keep this.
    pub objective: Option<RequestObjective>,
}

/// Limits that a share of requests has to keep, all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestObjective {
    /// The whole request.
    pub e2e: Option<Duration>,
    /// Until its first token.
    pub ttft: Option<Duration>,
    /// Mean time per output token after the first.
    pub itl: Option<Duration>,
    /// The share, such as 0.99.
    pub target: f64,
}

impl RequestLimits {
    /// Whether there is anything to keep.
    pub fn is_empty(&self) -> bool {
        self.slower_than.is_none() && self.objective.is_none()
    }
}

impl RequestObjective {
    /// Whether a request kept it; `None` when a measure of it is not known.
    fn is_kept_by(&self, request: &FinishedRequest) -> Option<bool> {
        let mut is_kept = !request.is_error;
        for (limit, found) in
            [(self.e2e, Some(request.length)), (self.ttft, request.ttft), (self.itl, request.itl)]
        {
            if let Some(limit) = limit {
                is_kept &= found? <= limit;
            }
        }
        Some(is_kept)
    }
}

/// Holds requests to limits.
#[derive(Debug)]
pub(crate) struct SlowRequests {
    limits: RequestLimits,
    /// After a reason there is none for so long: the capture of it has the requests until then.
    rest: Duration,
    rests_until: Option<Instant>,
    /// When requests were told of, and whether they kept the objective.
    recent: VecDeque<(Instant, bool)>,
}

impl SlowRequests {
    pub(crate) fn new(limits: RequestLimits, rest: Duration) -> Self {
        Self { limits, rest, rests_until: None, recent: VecDeque::new() }
    }

    /// Takes requests that have ended. Answers why to act now, if there is a reason: one line.
    pub(crate) fn look(&mut self, now: Instant, finished: &[FinishedRequest]) -> Option<String> {
        let reason = self.slow(finished).or_else(|| self.breach(now, finished));
        if self.rests_until.is_some_and(|until| now < until) || reason.is_none() {
            return None;
        }
        self.rests_until = Some(now + self.rest);
        self.recent.clear();
        reason
    }

    fn slow(&self, finished: &[FinishedRequest]) -> Option<String> {
        let limit = self.limits.slower_than?;
        let slowest = finished.iter().map(|request| request.length).max()?;
        let told = || format!("a request took {slowest:.2?}, more than {limit:?}");
        (slowest > limit).then(told)
    }

    fn breach(&mut self, now: Instant, finished: &[FinishedRequest]) -> Option<String> {
        let objective = self.limits.objective.as_ref()?;
        let kept = finished.iter().filter_map(|request| objective.is_kept_by(request));
        self.recent.extend(kept.map(|is_kept| (now, is_kept)));
        while self.recent.front().is_some_and(|(then, _)| now.duration_since(*then) > WINDOW) {
            self.recent.pop_front();
        }
        let n = self.recent.len();
        let n_missed = self.recent.iter().filter(|(_, is_kept)| !is_kept).count();
        let n_kept = (n - n_missed) as f64;
        // 90 % of 20 are 18, whatever a binary fraction makes of it.
        (n >= FEWEST && n_kept + 1e-6 < objective.target * n as f64).then(|| {
            format!(
                "{n_missed} of {n} requests of the last {} s missed the objective, more than \
                 {:.3} %",
                WINDOW.as_secs(),
                100.0 * (1.0 - objective.target)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(milliseconds: u64) -> FinishedRequest {
        let length = Duration::from_millis(milliseconds);
        FinishedRequest { length, ttft: None, itl: None, is_error: false }
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_slow_request_is_a_reason_and_then_there_is_rest() {
        let limits = RequestLimits { slower_than: Some(s(2)), objective: None };
        let mut watch = SlowRequests::new(limits, s(30));
        let start = Instant::now();
        assert_eq!(watch.look(start, &[]), None);
        assert_eq!(watch.look(start, &[took(2000), took(30)]), None, "exactly the limit");
        let reason = watch.look(start, &[took(30), took(2500), took(40)]);
        assert_eq!(reason.as_deref(), Some("a request took 2.50s, more than 2s"));
        assert_eq!(watch.look(start + s(29), &[took(9000)]), None, "that one is in the capture");
        assert!(watch.look(start + s(30), &[took(9000)]).is_some());
    }

    fn objective(e2e: Option<u64>, ttft: Option<u64>, target: f64) -> RequestLimits {
        let limit = |milliseconds: Option<u64>| milliseconds.map(Duration::from_millis);
        let objective = RequestObjective { e2e: limit(e2e), ttft: limit(ttft), itl: None, target };
        RequestLimits { slower_than: None, objective: Some(objective) }
    }

    #[test]
    fn an_objective_is_missed_by_more_than_its_share() {
        let mut watch = SlowRequests::new(objective(Some(100), None, 0.9), s(30));
        let start = Instant::now();
        assert_eq!(watch.look(start, &vec![took(500); FEWEST - 1]), None, "too few to judge");
        let mut watch = SlowRequests::new(objective(Some(100), None, 0.9), s(30));
        let mut finished = vec![took(90); 18];
        finished.extend([took(101), took(102)]);
        assert_eq!(watch.look(start, &finished), None, "a tenth may miss it");
        let reason = watch.look(start + s(1), &[took(103)]);
        let expected = "3 of 21 requests of the last 60 s missed the objective, more than 10.000 %";
        assert_eq!(reason.as_deref(), Some(expected));
        assert_eq!(watch.look(start + s(40), &[took(103)]), None, "judged anew");
    }

    #[test]
    fn what_is_long_ago_or_not_known_does_not_count_and_errors_do() {
        let start = Instant::now();
        let mut watch = SlowRequests::new(objective(Some(100), None, 0.9), s(30));
        assert_eq!(watch.look(start, &[took(500), took(500), took(500)]), None);
        assert_eq!(watch.look(start + s(61), &vec![took(90); 30]), None, "more than a minute ago");
        let mut watch = SlowRequests::new(objective(None, Some(50), 0.9), s(30));
        assert_eq!(watch.look(start, &vec![took(500); 30]), None, "no first token is known");
        let failed = FinishedRequest { ttft: Some(s(0)), is_error: true, ..took(1) };
        assert!(watch.look(start, &vec![failed; 30]).is_some());
    }
}

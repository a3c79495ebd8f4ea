//! Service-level objectives: how many requests met them, and how fast the error budget burns.

use underspan_engine::Request;

use crate::Case;

/// What a limit is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// From arrival at the server to the first token.
    Ttft,
    /// Mean time per output token after the first: what spans tell of inter-token latency.
    Itl,
    /// The outermost span.
    E2e,
}

impl Measure {
    /// The name in arguments and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Itl => "itl",
            Self::E2e => "e2e",
        }
    }

    fn of(self, request: &Request) -> Option<u64> {
        match self {
            Self::Ttft => request.ttft.map(|ttft| ttft.as_ns()),
            Self::Itl => request.tpot.map(|tpot| tpot.as_ns()),
            Self::E2e => Some(request.duration().as_ns()),
        }
    }
}

/// Limits that requests are to keep, and how many of them have to.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Limits in nanoseconds; a request must keep all of them.
    pub limits: Vec<(Measure, u64)>,
    /// Share of requests that have to keep them, such as 0.999.
    pub target: f64,
}

/// How requests stand against an objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Attainment {
    /// The objective.
    pub objective: Objective,
    /// Requests that were looked at: those of which every limited measure is known, measures that
    /// are known of no request left out.
    pub n: usize,
    /// Of which failed or broke a limit.
    pub n_missed: usize,
    /// Share of requests that kept all limits; `None` when none could be looked at.
    pub share: Option<f64>,
    /// By limit: share of requests that kept it; `None` where no request says the measure.
    pub by_measure: Vec<(Measure, Option<f64>)>,
    /// Requests per second that kept all limits.
    pub goodput_per_s: f64,
    /// Apdex with the end-to-end limit as its threshold: satisfied within it, tolerating within
    /// four times; `None` without such a limit.
    pub apdex: Option<f64>,
    /// How many times faster than allowed the error budget burns; 14.4 uses up the budget of
    /// thirty days in two; `None` when no request could be looked at.
    pub burn_rate: Option<f64>,
    /// Time in which the budget of thirty days is used up at this rate, in hours; `None` when it
    /// is not.
    pub budget_lasts_hours: Option<f64>,
}

/// Why an objective was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectiveError(pub String);

impl std::fmt::Display for ObjectiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ObjectiveError {}

impl Objective {
    /// Reads limits such as `ttft=500ms,itl=50ms,e2e=5s` and a target in percent.
    ///
    /// # Errors
    /// When a limit is none, or the target is not above 0 and below 100.
    pub fn parse(text: &str, target_percent: f64) -> Result<Self, ObjectiveError> {
        if !(target_percent > 0.0 && target_percent < 100.0) {
            let told = format!("target {target_percent}: expected a percentage below 100");
            return Err(ObjectiveError(told));
        }
        let limits = text.split(',').map(|part| {
            let fail = |why: &str| ObjectiveError(format!("objective \"{part}\": {why}"));
            let (name, limit) =
                part.split_once('=').ok_or_else(|| fail("expected NAME=TIME, as in e2e=5s"))?;
            let all = [Measure::Ttft, Measure::Itl, Measure::E2e];
            let measure = all.into_iter().find(|measure| measure.as_str() == name.trim());
            let measure = measure.ok_or_else(|| fail("expected ttft, itl or e2e"))?;
            let limit =
                time_ns(limit.trim()).ok_or_else(|| fail("expected a time in us, ms or s"))?;
            Ok((measure, limit))
        });
        Ok(Self { limits: limits.collect::<Result<_, _>>()?, target: target_percent / 100.0 })
    }

    /// How the requests of a case stand.
    pub fn attainment(&self, case: &Case<'_>) -> Attainment {
        let all: Vec<(&Request, Vec<Option<u64>>)> = case
            .requests
            .requests
            .iter()
            .filter(|request| !request.chain.is_empty())
            .map(|request| {
                (request, self.limits.iter().map(|(measure, _)| measure.of(request)).collect())
            })
            .collect();
        // A limit on what this server does not say judges nothing.
        let is_said: Vec<bool> = (0..self.limits.len())
            .map(|at| all.iter().any(|(_, values)| values[at].is_some()))
            .collect();
        let judges = |at: &usize| is_said[*at];
        let known: Vec<(&Request, Vec<Option<u64>>)> = all
            .into_iter()
            .filter(|(_, values)| {
                let mut judging = (0..values.len()).filter(judges).peekable();
                judging.peek().is_some() && judging.all(|at| values[at].is_some())
            })
            .collect();
        let n = known.len();
        let kept = |at: usize, values: &[Option<u64>]| values[at] <= Some(self.limits[at].1);
        let share_of = |count: usize| (n > 0).then(|| count as f64 / n as f64);
        let n_good = known
            .iter()
            .filter(|(request, values)| {
                !request.is_error && (0..values.len()).filter(judges).all(|at| kept(at, values))
            })
            .count();
        let by_measure = self.limits.iter().enumerate().map(|(at, (measure, _))| {
            let n_kept = known.iter().filter(|(_, values)| kept(at, values)).count();
            (*measure, share_of(n_kept).filter(|_| is_said[at]))
        });
        let start = known.iter().map(|(request, _)| request.interval.start()).min();
        let end = known.iter().map(|(request, _)| request.interval.end()).max();
        let window_ns =
            start.zip(end).map_or(0, |(start, end)| end.saturating_since(start).as_ns());
        let limit = self.limits.iter().find(|(measure, _)| *measure == Measure::E2e);
        let apdex = limit.filter(|_| n > 0).map(|(_, limit)| {
            let within = |most: u64| {
                known.iter().filter(|(r, _)| !r.is_error && r.duration().as_ns() <= most).count()
            };
            let (satisfied, tolerating) = (within(*limit), within(limit.saturating_mul(4)));
            (satisfied as f64 + (tolerating - satisfied) as f64 / 2.0) / n as f64
        });
        let share = share_of(n_good);
        let burn_rate = share.map(|share| (1.0 - share) / (1.0 - self.target));
        Attainment {
            objective: self.clone(),
            n,
            n_missed: n - n_good,
            share,
            by_measure: by_measure.collect(),
            goodput_per_s: n_good as f64 / (window_ns.max(1) as f64 / 1e9),
            apdex,
            burn_rate,
            budget_lasts_hours: burn_rate.filter(|rate| *rate > 0.0).map(|rate| 30.0 * 24.0 / rate),
        }
    }
}

fn time_ns(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let scale = match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok().filter(|number| *number > 0.0)?;
    Some((number * scale) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_units() {
        let objective = Objective::parse("ttft=500ms, itl=50ms,e2e=5s", 99.9).expect("valid");
        assert_eq!(
            objective.limits,
            [
                (Measure::Ttft, 500_000_000),
                (Measure::Itl, 50_000_000),
                (Measure::E2e, 5_000_000_000)
            ]
        );
        for (text, target) in [
            ("e2e", 99.0),
            ("e2e=5", 99.0),
            ("e2e=-1s", 99.0),
            ("size=5s", 99.0),
            ("e2e=5s", 100.0),
        ] {
            assert!(Objective::parse(text, target).is_err(), "{text} {target}");
        }
    }
}

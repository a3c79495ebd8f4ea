//! Service-level objectives: how many requests met them, and how fast the error budget burns.

use underspan_engine::{Request, Requests};
use underspan_model::tables::Rung;

use crate::Case;

/// What a limit is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// From arrival at the server to the first token.
    Ttft,
    /// Between two tokens that follow each other: each such time of a request, where its steps
    /// tell when its tokens came. Otherwise the mean, which is all that spans tell: see
    /// [`ItlBasis`].
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
}

/// What a limit on inter-token latency was judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ItlBasis {
    /// Requests whose steps are known exactly: all of their inter-token latencies have to keep it.
    pub n_by_gaps: usize,
    /// Requests of which only the mean time per output token after the first is known.
    pub n_by_mean: usize,
    /// Inter-token latencies of the former requests.
    pub n_gaps: u64,
    /// Of which kept the limit.
    pub n_gaps_kept: u64,
}

impl ItlBasis {
    /// Counts a request, and answers what of it has to keep the limit: its longest inter-token
    /// latency, or the mean.
    fn add(&mut self, gaps: &[u64], mean: Option<u64>, limit: u64) -> Option<u64> {
        let Some(longest) = gaps.iter().max() else {
            self.n_by_mean += usize::from(mean.is_some());
            return mean;
        };
        self.n_by_gaps += 1;
        self.n_gaps += gaps.len() as u64;
        self.n_gaps_kept += gaps.iter().filter(|gap| **gap <= limit).count() as u64;
        Some(*longest)
    }
}

/// Inter-token latencies of a request; none unless its steps are known exactly and fill its decode.
fn exact_gaps(requests: &Requests, request: &Request) -> Vec<u64> {
    if !matches!(request.rung, Rung::ExactHook | Rung::ExactBatch) {
        return Vec::new();
    }
    let gaps: Vec<u64> =
        requests.token_gaps(request).iter().map(|token| token.gap.as_ns()).collect();
    let found: u64 = gaps.iter().sum();
    let told = request
        .tpot
        .zip(request.tokens.output)
        .map_or(0, |(mean, n_tokens)| mean.as_ns().saturating_mul(n_tokens.saturating_sub(1)));
    // Where the capture lacks some of its steps, a longer one may be among them.
    if found < told / 10 * 9 { Vec::new() } else { gaps }
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
    /// What a limit on inter-token latency was judged by; `None` without such a limit.
    pub itl: Option<ItlBasis>,
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
        let served = case.requests.requests.iter().filter(|request| !request.chain.is_empty());
        let values_of = |request: &Request, itl: &mut ItlBasis| -> Vec<Option<u64>> {
            let value = |(measure, limit): &(Measure, u64)| match measure {
                Measure::Ttft => request.ttft.map(|ttft| ttft.as_ns()),
                // Between the tokens of one there is no time that could be too long.
                Measure::Itl if has_one_token(request) => Some(0),
                Measure::Itl => {
                    let gaps = exact_gaps(case.requests, request);
                    itl.add(&gaps, request.tpot.map(|mean| mean.as_ns()), *limit)
                }
                Measure::E2e => Some(request.duration().as_ns()),
            };
            self.limits.iter().map(value).collect()
        };
        let all: Vec<(&Request, Vec<Option<u64>>, ItlBasis)> = served
            .map(|request| {
                let mut itl = ItlBasis::default();
                let values = values_of(request, &mut itl);
                (request, values, itl)
            })
            .collect();
        // A limit on what this server does not say judges nothing.
        let says = |request: &Request, measure| measure != Measure::Itl || !has_one_token(request);
        let is_said: Vec<bool> = (self.limits.iter().enumerate())
            .map(|(at, (measure, _))| {
                let mut said = all.iter().filter(|(_, values, _)| values[at].is_some());
                said.any(|(request, ..)| says(request, *measure))
            })
            .collect();
        let judges = |at: &usize| is_said[*at];
        let known: Vec<(&Request, Vec<Option<u64>>, ItlBasis)> = all
            .into_iter()
            .filter(|(_, values, _)| {
                let mut judging = (0..values.len()).filter(judges).peekable();
                judging.peek().is_some() && judging.all(|at| values[at].is_some())
            })
            .collect();
        let n = known.len();
        let kept = |at: usize, values: &[Option<u64>]| values[at] <= Some(self.limits[at].1);
        let share_of = |count: usize| (n > 0).then(|| count as f64 / n as f64);
        let n_good = known
            .iter()
            .filter(|(request, values, _)| {
                !request.is_error && (0..values.len()).filter(judges).all(|at| kept(at, values))
            })
            .count();
        let by_measure = self.limits.iter().enumerate().map(|(at, (measure, _))| {
            let n_kept = known.iter().filter(|(_, values, _)| kept(at, values)).count();
            (*measure, share_of(n_kept).filter(|_| is_said[at]))
        });
        let start = known.iter().map(|(request, ..)| request.interval.start()).min();
        let end = known.iter().map(|(request, ..)| request.interval.end()).max();
        let window_ns =
            start.zip(end).map_or(0, |(start, end)| end.saturating_since(start).as_ns());
        let limit = self.limits.iter().find(|(measure, _)| *measure == Measure::E2e);
        let apdex = limit.filter(|_| n > 0).map(|(_, limit)| {
            let within = |most: u64| {
                known.iter().filter(|(r, ..)| !r.is_error && r.duration().as_ns() <= most).count()
            };
            let (satisfied, tolerating) = (within(*limit), within(limit.saturating_mul(4)));
            (satisfied as f64 + (tolerating - satisfied) as f64 / 2.0) / n as f64
        });
        let has_itl = self.limits.iter().any(|(measure, _)| *measure == Measure::Itl);
        let itl = known.iter().fold(ItlBasis::default(), |sum, (.., one)| ItlBasis {
            n_by_gaps: sum.n_by_gaps + one.n_by_gaps,
            n_by_mean: sum.n_by_mean + one.n_by_mean,
            n_gaps: sum.n_gaps + one.n_gaps,
            n_gaps_kept: sum.n_gaps_kept + one.n_gaps_kept,
        });
        let share = share_of(n_good);
        let burn_rate = share.map(|share| (1.0 - share) / (1.0 - self.target));
        Attainment {
            objective: self.clone(),
            n,
            n_missed: n - n_good,
            share,
            by_measure: by_measure.collect(),
            itl: has_itl.then_some(itl),
            goodput_per_s: n_good as f64 / (window_ns.max(1) as f64 / 1e9),
            apdex,
            burn_rate,
            budget_lasts_hours: burn_rate.filter(|rate| *rate > 0.0).map(|rate| 30.0 * 24.0 / rate),
        }
    }
}

fn has_one_token(request: &Request) -> bool {
    request.tokens.output == Some(1)
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

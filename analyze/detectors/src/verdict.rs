//! Which layer is to blame, or that the evidence does not say.

use rayon::prelude::*;
use underspan_engine::{PartKind, Request, Requests};
use underspan_model::give_up_if_cancelled;

use crate::Case;
use crate::counterfactual::{load_ratio, p95_without};
use crate::detect::{detectors, own_kernel_share};
use crate::detector::{Detection, Finding, Grade, Layer};
use crate::measure::{p95_effect, p95_share, percent, ratio, time};
use crate::quality::Quality;
use crate::replay::{Misfit, Removal};
use crate::shapley::{MOST_CAUSES, shapley};
use crate::statistics::{Percentile, growth_interval, paired_interval, percentile_of};

/// Least share of the 95th percentile of a cause that is reported.
const EFFECT_MIN: f64 = 0.05;
/// Least share of the excess of a winner.
const WINNER_SHARE: f64 = 0.5;
/// How many times the runner-up a winner must be.
const WINNER_LEAD: f64 = 1.5;
/// Least share of the slow requests' time in their own kernels for a model to be named.
const MODEL_SHARE: f64 = 0.70;
/// Largest share of anything else in that time, and of what the device computed for others.
const OTHER_MAX: f64 = 0.10;
const INTERFERENCE_MAX: f64 = 0.50;
/// Least growth of the 95th percentile against a baseline that asks for a cause.
const GROWTH_MIN: f64 = 0.10;
/// Least change of a percentile against the baseline that is one, and least change of the load, as
/// shares.
const CHANGE_MIN: f64 = 0.02;
const LOAD_CHANGE_MAX: f64 = 0.1;
/// Share of SM time, in percent, from which on another process may have slowed kernels.
const NEIGHBOUR_PERCENT: f64 = 10.0;
/// Least growth of the load that explains a queue.
const LOAD_GROWTH_MIN: f64 = 0.2;
/// Least share of growth that causes must explain.
const EXPLAINED_MIN: f64 = 0.5;

/// What a verdict says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictKind {
    /// One layer carries the excess.
    Layer(Layer),
    /// Several layers do, none of them most of it.
    Mixed,
    /// The evidence does not carry a verdict.
    Inconclusive,
    /// Nothing wrong was found.
    None,
}

impl VerdictKind {
    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Layer(layer) => layer.as_str(),
            Self::Mixed => "mixed",
            Self::Inconclusive => "inconclusive",
            Self::None => "none",
        }
    }
}

/// One cause and its share.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// What was found.
    pub finding: Finding,
    /// Where it lies.
    pub layer: Layer,
    /// Its fair share of what removing all causes takes off the 95th percentile, in nanoseconds.
    pub p95_ns: f64,
    /// What removing it alone takes off, with 95 % confidence; `None` with too few requests.
    pub interval_ns: Option<(i64, i64)>,
    /// Its share of the excess.
    pub share: f64,
    /// How sure it is, from zero to one.
    pub confidence: f64,
}

/// Latency percentiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Number of requests.
    pub n: usize,
    /// Median.
    pub p50: Option<Percentile>,
    /// 95th percentile.
    pub p95: Option<Percentile>,
    /// 99th percentile; with fewer than a hundred requests it is the slowest one.
    pub p99: Option<Percentile>,
}

impl Latency {
    /// The percentiles of latencies in nanoseconds.
    pub fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let at = |percent| Percentile::of_sorted(&values, percent);
        Self { n: values.len(), p50: at(50), p95: at(95), p99: at(99) }
    }
}

/// The answer to "model, runtime, hardware or outside?".
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub kind: VerdictKind,
    /// The cause with the largest share; `None` when none was found or none is certain.
    pub top_cause: Option<&'static str>,
    /// Causes, largest share first.
    pub causes: Vec<Cause>,
    /// What each detector said, in the order of their ids.
    pub detections: Vec<(&'static str, Detection)>,
    /// Latency of the outermost spans.
    pub latency: Latency,
    /// Latency of the serving spans.
    pub serving: Latency,
    /// The same of the baseline's outermost spans.
    pub baseline: Option<Latency>,
    /// Growth of the 95th percentile against the baseline that shares are of, in nanoseconds; `None`
    /// without one, and where it did not grow: then they are of what was found.
    pub excess_ns: Option<u64>,
    /// The 95th percentile with all causes taken out, and the interval that holds it with 90 %
    /// confidence.
    pub counterfactual_p95: Option<(u64, Option<(u64, u64)>)>,
    /// Share of the slow requests' time in which their own kernels ran.
    pub kernel_share: f64,
    /// How far the model that p95 without the causes comes from is off when it is run unchanged.
    pub misfit: Misfit,
    /// Why there is no verdict, or why it is mixed.
    pub reasons: Vec<String>,
    /// What a reader of the numbers must know.
    pub caveats: Vec<String>,
}

impl Verdict {
    /// Weighs a case.
    pub fn of(case: &Case<'_>) -> Self {
        let quality = Quality::of(case);
        let detections: Vec<(&'static str, Detection)> = detectors()
            .par_iter()
            .map(|detector| {
                give_up_if_cancelled();
                (detector.id(), detector.detect(case))
            })
            .collect();
        let found: Vec<Finding> = detections
            .iter()
            .filter_map(|(_, detection)| match detection {
                Detection::Found(finding) => Some(Finding::clone(finding)),
                _ => None,
            })
            .collect();
        let composition = found.iter().find(|finding| finding.removal.is_empty()).cloned();
        let findings = without_overlaps(case, found);
        let excess = excess_of(case);
        let causes = weigh(case, findings, excess);
        let misfit = case.misfit();
        let counterfactual_p95 = (!causes.is_empty() && misfit.is_small())
            .then(|| p95_without(case, &causes, misfit.latency));
        let mut verdict = Self {
            kind: VerdictKind::None,
            top_cause: None,
            detections,
            latency: Latency::of(case.latencies.clone()),
            serving: Latency::of(serving_latencies(case.requests)),
            baseline: case
                .baseline
                .as_deref()
                .map(|baseline| Latency::of(baseline.latencies.clone())),
            excess_ns: excess,
            counterfactual_p95,
            kernel_share: own_kernel_share(case),
            misfit,
            reasons: quality.reasons,
            caveats: quality.caveats,
            causes,
        };
        if !misfit.is_small() && !verdict.causes.is_empty() {
            verdict.caveats.push(format!(
                "no p95 without the causes: run again unchanged, the model is {:.0} % off in latencies \
                 and {:.0} % in steps",
                misfit.latency * 100.0,
                misfit.steps * 100.0
            ));
        }
        verdict.decide(case, composition);
        verdict
    }

    fn decide(&mut self, case: &Case<'_>, composition: Option<Finding>) {
        if !self.reasons.is_empty() {
            self.kind = VerdictKind::Inconclusive;
            return;
        }
        if is_as_before(case) {
            // What takes part of a p95 that is that of the baseline took it there too.
            let taken = self.causes.drain(..).map(|cause| {
                format!(
                    "{} takes {} of p95, which is that of the baseline: {}",
                    cause.finding.id,
                    time(cause.p95_ns as u64),
                    cause.finding.summary
                )
            });
            self.caveats.extend(taken);
            self.counterfactual_p95 = None;
        }
        if self.causes.is_empty() {
            self.decide_without_causes(case, composition);
            return;
        }
        let explained: f64 = self.causes.iter().map(|cause| cause.share).sum();
        // A queue that grew with the load is the load's: one worker more is not the way back.
        let by_load = self.causes.iter().any(|cause| cause.finding.id == "D1")
            && load_growth(case) > LOAD_GROWTH_MIN;
        let by_causes: f64 = self.causes.iter().map(|cause| cause.p95_ns).sum();
        let least = growth_at_least(case, 0.8).unwrap_or(0).max(0) as f64;
        let is_open = explained < EXPLAINED_MIN
            && by_causes < EXPLAINED_MIN * least
            && growth(case) > GROWTH_MIN
            && !by_load
            && !self.is_back_to_baseline();
        if case.baseline.is_some() && is_open {
            self.reasons.push(format!(
                "the causes that were found explain {:.0} % of the growth of p95",
                explained * 100.0
            ));
            self.kind = VerdictKind::Inconclusive;
            return;
        }
        let mut layers: Vec<(Layer, f64)> = Vec::new();
        for cause in &self.causes {
            match layers.iter_mut().find(|(layer, _)| *layer == cause.layer) {
                Some((_, share)) => *share += cause.share,
                None => layers.push((cause.layer, cause.share)),
            }
        }
        layers.sort_by(|a, b| b.1.total_cmp(&a.1));
        let total: f64 = layers.iter().map(|(_, share)| share).sum();
        let (layer, first) = layers[0];
        let second = layers.get(1).map_or(0.0, |(_, share)| *share);
        let wins = first / total.max(1e-9) >= WINNER_SHARE && first >= WINNER_LEAD * second;
        self.top_cause = self.causes.first().map(|cause| cause.finding.id);
        if wins {
            self.kind = VerdictKind::Layer(layer);
            let of_layer = self.causes.iter().find(|cause| cause.layer == layer);
            self.top_cause = of_layer.map(|cause| cause.finding.id);
        } else {
            self.kind = VerdictKind::Mixed;
            self.reasons.push(format!(
                "no layer has half of the excess and {WINNER_LEAD} times the next: {}",
                layers
                    .iter()
                    .map(|(layer, share)| format!("{} {:.0} %", layer.as_str(), share * 100.0))
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
    }

    fn decide_without_causes(&mut self, case: &Case<'_>, composition: Option<Finding>) {
        if case.analysis.occupancy.devices.is_empty() && !case.latencies.is_empty() {
            self.reasons.push(
                "no work of a GPU is in the capture: nothing wrong was found in what spans and \
                 counters tell, and the device is not known"
                    .to_owned(),
            );
            self.kind = VerdictKind::Inconclusive;
            return;
        }
        let grew = growth(case);
        if case.baseline.is_some() {
            let load = load_growth(case);
            if grew > GROWTH_MIN && load > 0.5 * grew {
                self.caveats.push(format!(
                    "p95 grew by {:.0} % with the load, which grew by {:.0} %",
                    grew * 100.0,
                    load * 100.0
                ));
            } else if grew > GROWTH_MIN {
                let seen = self.seen_without_certainty();
                self.reasons.push(format!(
                    "p95 grew by {:.0} % against the baseline and no detector {}",
                    grew * 100.0,
                    if seen.is_empty() { "says why" } else { "is sure why" }
                ));
                self.reasons.extend(seen);
                let slower = case.kernel_slowdown();
                if slower > 1.0 + GROWTH_MIN {
                    let why = if case.telemetry.clocks_are_set() {
                        "its clocks were set by the operator"
                    } else {
                        "neither clocks nor another process say why"
                    };
                    self.reasons.push(format!(
                        "kernels of the same name and launch shape take {slower:.2} times as long \
                         as in the baseline: the device is slower, and {why}"
                    ));
                }
                self.kind = VerdictKind::Inconclusive;
            }
            return;
        }
        let neighbour = case.telemetry.processes.iter().find(|process| {
            !process.is_own && process.sm_percent.value.iter().any(|sm| *sm >= NEIGHBOUR_PERCENT)
        });
        if let Some(neighbour) = neighbour.filter(|_| self.kernel_share >= MODEL_SHARE) {
            self.reasons.push(format!(
                "{} used the same GPU: whether the model or the company is what takes the time needs \
                 a run without it",
                neighbour.name
            ));
            self.kind = VerdictKind::Inconclusive;
            return;
        }
        let seen = self.seen_without_certainty();
        if !seen.is_empty() {
            self.reasons.extend(seen);
            self.kind = VerdictKind::Inconclusive;
            return;
        }
        // What few requests were as a whole is not what the slow ones were.
        if self.kernel_share < MODEL_SHARE || case.coverage.is_of_parts() {
            return;
        }
        if let Some((kind, share)) = largest_other(case) {
            self.caveats.push(format!(
                "{} of the slow requests' time is {}: no fault that a detector names, but too much \
                 to call the model the reason",
                percent(share),
                kind.name()
            ));
            return;
        }
        if let Some(finding) = composition {
            self.kind = VerdictKind::Layer(Layer::Model);
            self.top_cause = Some(finding.id);
            self.causes.push(Cause {
                layer: Layer::Model,
                p95_ns: self.kernel_share * case.percentile(95) as f64,
                interval_ns: None,
                share: self.kernel_share,
                confidence: confidence_of(finding.grade),
                finding,
            });
        }
    }

    /// What detectors found whose share of the 95th percentile may as well be chance.
    fn seen_without_certainty(&self) -> Vec<String> {
        let found = self.detections.iter().filter_map(|(id, said)| match said {
            Detection::Found(finding) if !finding.removal.is_empty() => Some(format!(
                "{id} was seen, but what it takes of p95 is not certain: {}",
                finding.summary
            )),
            _ => None,
        });
        found.collect()
    }

    /// Whether p95 without the causes may be that of the baseline.
    fn is_back_to_baseline(&self) -> bool {
        let without = self.counterfactual_p95.and_then(|(_, interval)| interval);
        let then = self.baseline.and_then(|latency| latency.p95);
        without.zip(then).is_some_and(|((low, _), then)| low <= then.high)
    }

    /// What a detector said.
    pub fn detection(&self, id: &str) -> Option<&Detection> {
        self.detections.iter().find(|(known, _)| *known == id).map(|(_, detection)| detection)
    }
}

/// What takes too much of the slow requests' time for their model to be the reason, and its share.
fn largest_other(case: &Case<'_>) -> Option<(PartKind, f64)> {
    let slow: Vec<&Request> = case.slow().iter().map(|at| &case.requests.requests[*at]).collect();
    let all: u64 = slow.iter().map(|request| request.duration().as_ns()).sum();
    let most = |kind: PartKind| match kind {
        PartKind::Interference => INTERFERENCE_MAX,
        // The queue of a server with room is short, and of steps without device work nothing is
        // known.
        PartKind::QueueCapacity | PartKind::Scheduled => 1.0,
        _ => OTHER_MAX,
    };
    let share = |kind: PartKind| {
        let ns: u64 = slow.iter().map(|request| request.of_kind(kind).as_ns()).sum();
        (kind, ratio(ns, all))
    };
    let shares = PartKind::PLAIN.into_iter().map(share);
    shares.filter(|(kind, share)| *share > most(*kind)).max_by(|a, b| a.1.total_cmp(&b.1))
}

fn serving_latencies(requests: &Requests) -> Vec<u64> {
    requests.requests.iter().map(|request| request.serving.duration().as_ns()).collect()
}

/// Growth of the 95th percentile against the baseline, as a share of it; zero without one, and
/// while it may be chance.
fn growth(case: &Case<'_>) -> f64 {
    let Some(baseline) = case.baseline.as_deref() else { return 0.0 };
    let (p95, before) = (case.percentile(95), baseline.percentile(95));
    let grew = growth_at_least(case, 0.95).is_some_and(|least| least > 0);
    if grew { ratio(p95.saturating_sub(before), before) } else { 0.0 }
}

/// Whether median and 95th percentile are those of a baseline under the same load.
fn is_as_before(case: &Case<'_>) -> bool {
    let Some(baseline) = case.baseline.as_deref() else { return false };
    let is_same = |percent| {
        case.percentile(percent) as f64 <= (1.0 + CHANGE_MIN) * baseline.percentile(percent) as f64
    };
    let is_same_load = load_ratio(case).is_some_and(|load| (load - 1.0).abs() < LOAD_CHANGE_MAX);
    is_same_load && is_same(50) && is_same(95)
}

/// What the 95th percentile grew by at least, in nanoseconds: the lower end of the interval that
/// holds `share` of its growth.
fn growth_at_least(case: &Case<'_>, share: f64) -> Option<i64> {
    let baseline = case.baseline.as_deref()?;
    growth_interval(&baseline.latencies, &case.latencies, 95, share).map(|(least, _)| least)
}

/// Growth of the rate of arrivals against the baseline, as a share of it.
fn load_growth(case: &Case<'_>) -> f64 {
    load_ratio(case).map_or(0.0, |ratio| (ratio - 1.0).max(0.0))
}

/// What is to be explained of the 95th percentile: its growth against a baseline.
fn excess_of(case: &Case<'_>) -> Option<u64> {
    let baseline = case.baseline.as_deref()?;
    let excess = case.percentile(95).saturating_sub(baseline.percentile(95));
    (growth(case) > GROWTH_MIN).then_some(excess)
}

/// Time that two findings claim counts for the one that is the reason of the other.
fn without_overlaps(case: &Case<'_>, mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|finding| !finding.removal.is_empty());
    // That kernels of the same model grew is a reason only while nothing says why they did.
    let says_why = ["D4", "D5", "D9", "D12", "D13", "D15"];
    if case.baseline.is_some() && findings.iter().any(|f| says_why.contains(&f.id)) {
        findings.retain(|finding| finding.id != "D19" || finding.removal.run_ns.is_empty());
    }
    // What is computed again interferes, what misses its graph leaves gaps, and wider types, slow
    // clocks and neighbours make the kernels of a step longer.
    const REASONS: &[(&str, &[&str])] = &[
        ("D3", &["D4", "D5", "D7", "D8", "D10", "D11", "D12", "D13", "D14", "D15", "D18"]),
        ("D6", &["D15"]),
        ("D9", &["D4", "D5"]),
        ("D13", &["D12"]),
        ("D17", &["D3", "D4", "D9", "D10", "D12", "D13", "D15"]),
        ("D19", &["D3", "D4", "D5", "D9", "D10", "D12", "D13", "D15", "D17"]),
        ("D14", &["D12", "D13"]),
    ];
    for (id, reasons) in REASONS {
        let claimed: Vec<Vec<u64>> = findings
            .iter()
            .filter(|finding| reasons.contains(&finding.id))
            .map(|finding| finding.removal.run_ns.clone())
            .collect();
        let Some(finding) = findings.iter_mut().find(|finding| finding.id == *id) else { continue };
        let removal = &mut finding.removal;
        let before: u64 = removal.run_ns.iter().sum();
        for claimed in claimed {
            for (own, ns) in removal.run_ns.iter_mut().zip(claimed) {
                *own = own.saturating_sub(ns);
            }
        }
        // Tokens go with the time that they took.
        let left = ratio(removal.run_ns.iter().sum(), before);
        for tokens in removal.prompt_tokens.iter_mut().filter(|_| before > 0) {
            *tokens = (*tokens as f64 * left) as u64;
        }
    }
    // A rank that all wait for is idle for a reason of its own: one fault, seen from two sides.
    let gaps = findings.iter().position(|finding| finding.id == "D6");
    let straggler = findings.iter().position(|finding| finding.id == "D14");
    if let (Some(gaps), Some(straggler)) = (gaps, straggler) {
        let (gaps_removal, own) = (findings[gaps].removal.clone(), &findings[straggler].removal);
        if p95_effect(case, &gaps_removal) * 2 > p95_effect(case, own) {
            findings[straggler].removal = gaps_removal;
            findings.remove(gaps);
        }
    }
    findings.retain(|finding| p95_share(case, &finding.removal) >= EFFECT_MIN);
    // A queue behind steps that something made longer is that thing's doing, and so is one that a
    // server without batching has.
    let has = |findings: &[Finding], id: &str| findings.iter().any(|finding| finding.id == id);
    if has(&findings, "D1") {
        let others: Vec<&Removal> = findings
            .iter()
            .filter(|finding| finding.id != "D1" && finding.id != "D16")
            .map(|finding| &finding.removal)
            .collect();
        let without = percentile_of(&case.without(&others), 95);
        let by_others = case.percentile(95).saturating_sub(without);
        let own = findings.iter().find(|finding| finding.id == "D1");
        let own = own.map_or(0, |finding| p95_effect(case, &finding.removal));
        if has(&findings, "D19") || by_others as f64 >= 0.3 * own as f64 {
            findings.retain(|finding| finding.id != "D1");
        }
    }
    findings
}

/// Fair shares of the causes, those without a certain effect left out.
fn weigh(case: &Case<'_>, mut findings: Vec<Finding>, excess: Option<u64>) -> Vec<Cause> {
    findings.sort_by_key(|finding| std::cmp::Reverse(p95_effect(case, &finding.removal)));
    findings.truncate(MOST_CAUSES);
    let p95 = case.percentile(95) as f64;
    let shares = shapley(findings.len(), |set| {
        let removals: Vec<&Removal> = findings
            .iter()
            .enumerate()
            .filter(|(at, _)| set & (1 << at) != 0)
            .map(|(_, finding)| &finding.removal)
            .collect();
        p95 - percentile_of(&case.without(&removals), 95) as f64
    });
    let all: f64 = shares.iter().sum();
    let whole = excess.map_or(all, |excess| (excess as f64).max(all)).max(1.0);
    let layer_of = |id: &str| crate::detector(id).map_or(Layer::Runtime, |found| found.layer());
    let mut causes: Vec<Cause> = findings
        .into_iter()
        .zip(shares)
        .filter_map(|(finding, p95_ns)| {
            let without = case.without(&[&finding.removal]);
            let interval_ns = paired_interval(&case.latencies, &without, 95, 0.95);
            // Taking time out never makes anything later: only the lower end can fail.
            let one_sided = paired_interval(&case.latencies, &without, 95, 0.90);
            let is_certain = one_sided.is_none_or(|(low, _)| low > 0);
            let share = (p95_ns / whole).clamp(0.0, 1.0);
            let confidence = confidence_of(finding.grade) * (0.5 + 0.5 * share);
            (is_certain && p95_ns >= EFFECT_MIN * p95).then(|| Cause {
                layer: layer_of(finding.id),
                p95_ns,
                interval_ns,
                share,
                confidence,
                finding,
            })
        })
        .collect();
    causes.sort_by(|a, b| b.p95_ns.total_cmp(&a.p95_ns));
    causes
}

fn confidence_of(grade: Grade) -> f64 {
    match grade {
        Grade::Measured => 0.95,
        Grade::Derived => 0.85,
        Grade::Estimated => 0.6,
    }
}

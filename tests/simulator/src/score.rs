//! Judges answers against the truth, and adds up.

use std::collections::BTreeMap;

use crate::case::Subject;
use crate::plant::{Layer, Plant};
use crate::trial::Trial;
use crate::verdict::{Answer, Verdict};

/// How an answer compares with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// The cause is the planted one; or nothing is wrong and nothing was found.
    Right,
    /// Another cause, but the layer is right or left open.
    OtherCause,
    /// Nothing was concluded.
    Undecided,
    /// A layer was named that has nothing to do with it.
    WrongLayer,
    /// No answer.
    Failed,
}

/// Shares of answers, and what they are made of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Answers.
    pub n: usize,
    /// Answers that named the planted cause first.
    pub n_right: usize,
    /// Answers that named a wrong layer.
    pub n_wrong_layer: usize,
    /// What was named first, by how often; `verdict` in brackets where no cause was.
    pub named: BTreeMap<String, usize>,
}

/// Everything that is reported about a matrix.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Score {
    /// Faults alone, by number of the plant.
    pub by_plant: BTreeMap<usize, Tally>,
    /// Faults alone, by severity.
    pub by_severity: BTreeMap<u32, Tally>,
    /// Faults alone, by engine.
    pub by_engine: BTreeMap<&'static str, Tally>,
    /// Two faults.
    pub mixtures: Tally,
    /// Damaged captures.
    pub damaged: Tally,
    /// Clean servers, by trap: runs and alarms.
    pub clean: BTreeMap<&'static str, (usize, usize)>,
    /// Clean servers on which a detector claimed a cause.
    pub alarms: BTreeMap<String, usize>,
    /// |reported − true| / true of the p95 itself.
    pub p95_errors: Vec<f64>,
    /// |estimated − true| / true of the p95 without the fault.
    pub counterfactual_errors: Vec<f64>,
    /// Counterfactual intervals, and those that cover the truth.
    pub intervals: (usize, usize),
    /// Names and complaints of cases without an answer.
    pub failures: Vec<String>,
    /// Names of cases that were judged other than right, and what was said.
    pub misses: Vec<String>,
}

/// Compares one answer with the truth.
pub fn grade(trial: &Trial) -> Grade {
    let Answer::Verdict(verdict) = &trial.answer else {
        // Refusing a damaged file is an answer.
        let may_refuse = matches!(trial.case.subject, Subject::Damaged(..))
            && matches!(trial.answer, Answer::Refused(_));
        return if may_refuse { Grade::Undecided } else { Grade::Failed };
    };
    let layers = trial.case.layers();
    if layers.is_empty() {
        return match verdict.verdict.as_str() {
            "none" | "model" => Grade::Right,
            "inconclusive" => Grade::Undecided,
            _ => Grade::WrongLayer,
        };
    }
    let names_cause =
        verdict.top_cause.as_ref().is_some_and(|id| trial.case.accepted().contains(id));
    let named = layer(&verdict.verdict);
    match named {
        Some(layer) if !layers.contains(&layer) => Grade::WrongLayer,
        _ if names_cause => Grade::Right,
        Some(_) => Grade::OtherCause,
        None if verdict.verdict == "mixed" => Grade::OtherCause,
        None => Grade::Undecided,
    }
}

fn layer(verdict: &str) -> Option<Layer> {
    [Layer::Model, Layer::Runtime, Layer::Hardware, Layer::Outside]
        .into_iter()
        .find(|layer| layer.name() == verdict)
}

impl Score {
    /// Adds everything up.
    pub fn of(trials: &[Trial]) -> Self {
        let mut score = Self::default();
        for trial in trials {
            score.add(trial);
        }
        score
    }

    fn add(&mut self, trial: &Trial) {
        let grade = grade(trial);
        let name = trial.case.name();
        let said = said(&trial.answer);
        match &trial.answer {
            Answer::Verdict(verdict) => self.add_estimates(trial, verdict),
            Answer::Refused(line) | Answer::Failed(line) if grade == Grade::Failed => {
                self.failures.push(format!("{name}: {line}"));
            }
            _ => {}
        }
        if !matches!(grade, Grade::Right | Grade::Failed) {
            self.misses.push(format!("{name}: {said}"));
        }
        match trial.case.subject {
            Subject::Fault(plant, severity) => {
                let tallies = [
                    self.by_plant.entry(plant.number()).or_default(),
                    self.by_severity.entry(severity as u32).or_default(),
                    self.by_engine.entry(trial.case.engine.name()).or_default(),
                ];
                for tally in tallies {
                    tally.add(grade, &said);
                }
            }
            Subject::Mixture(..) => self.mixtures.add(grade, &said),
            Subject::Damaged(..) => self.damaged.add(grade, &said),
            Subject::Clean(trap) => {
                let (n, alarms) = self.clean.entry(trap.name()).or_default();
                *n += 1;
                *alarms += usize::from(grade == Grade::WrongLayer);
                if let Answer::Verdict(verdict) = &trial.answer {
                    // That a healthy server spends its time in its model is no claim against it.
                    let is_model = verdict.verdict == "model";
                    for cause in verdict.causes.iter().filter(|c| !is_model || c.id != "D17") {
                        *self.alarms.entry(cause.id.clone()).or_default() += 1;
                    }
                }
            }
        }
    }

    fn add_estimates(&mut self, trial: &Trial, verdict: &Verdict) {
        if matches!(trial.case.subject, Subject::Damaged(..)) {
            return;
        }
        let truth = |key: &str| trial.truth[key]["p95_ms"].as_f64().filter(|ms| *ms > 0.0);
        if let (Some(ms), Some(true_ms)) = (verdict.percentiles_ms[1], truth("with_fault")) {
            self.p95_errors.push((ms - true_ms).abs() / true_ms);
        }
        if !matches!(trial.case.subject, Subject::Fault(..)) {
            return;
        }
        let Some(true_ms) = truth("without_fault") else { return };
        if let Some(ms) = verdict.counterfactual_ms {
            self.counterfactual_errors.push((ms - true_ms).abs() / true_ms);
        }
        if let Some((low_ms, high_ms)) = verdict.interval_ms {
            self.intervals.0 += 1;
            self.intervals.1 += usize::from((low_ms..=high_ms).contains(&true_ms));
        }
    }

    /// Clean runs and those with an alarm.
    pub fn clean_total(&self) -> (usize, usize) {
        self.clean.values().fold((0, 0), |(n, alarms), of| (n + of.0, alarms + of.1))
    }

    /// All faults alone.
    pub fn faults(&self) -> (usize, usize) {
        self.by_plant.values().fold((0, 0), |(n, wrong), t| (n + t.n, wrong + t.n_wrong_layer))
    }
}

impl Tally {
    fn add(&mut self, grade: Grade, said: &str) {
        self.n += 1;
        self.n_right += usize::from(grade == Grade::Right);
        self.n_wrong_layer += usize::from(grade == Grade::WrongLayer);
        *self.named.entry(said.to_owned()).or_default() += 1;
    }
}

/// What was named first.
fn said(answer: &Answer) -> String {
    match answer {
        Answer::Verdict(Verdict { top_cause: Some(id), .. }) if Plant::from_id(id).is_some() => {
            id.clone()
        }
        Answer::Verdict(verdict) => format!("({})", verdict.verdict),
        Answer::Refused(_) => "(refused)".to_owned(),
        Answer::Failed(_) => "(failed)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::case::Case;
    use crate::server::EngineKind;
    use crate::trap::Trap;

    fn trial(subject: Subject, verdict: &str, top_cause: Option<&str>) -> Trial {
        Trial {
            case: Case { engine: EngineKind::Triton, subject, seed: 1, is_small: false },
            truth: json!({"without_fault": {"p95_ms": 10.0}, "with_fault": {"p95_ms": 20.0}}),
            answer: Answer::Verdict(Verdict {
                verdict: verdict.to_owned(),
                top_cause: top_cause.map(str::to_owned),
                counterfactual_ms: Some(11.0),
                interval_ms: Some((9.0, 12.0)),
                ..Verdict::default()
            }),
        }
    }

    #[test]
    fn grades() {
        let fault = Subject::Fault(Plant::BatchDelay, 1.0);
        assert_eq!(grade(&trial(fault, "runtime", Some("D2"))), Grade::Right);
        assert_eq!(grade(&trial(fault, "mixed", Some("D2"))), Grade::Right);
        assert_eq!(grade(&trial(fault, "runtime", Some("D1"))), Grade::OtherCause);
        assert_eq!(grade(&trial(fault, "hardware", Some("D12"))), Grade::WrongLayer);
        assert_eq!(grade(&trial(fault, "hardware", Some("D2"))), Grade::WrongLayer);
        assert_eq!(grade(&trial(fault, "inconclusive", None)), Grade::Undecided);
        let clean = Subject::Clean(Trap::Bursts);
        assert_eq!(grade(&trial(clean, "none", None)), Grade::Right);
        assert_eq!(grade(&trial(clean, "runtime", Some("D1"))), Grade::WrongLayer);
    }

    #[test]
    fn sums() {
        let fault = Subject::Fault(Plant::BatchDelay, 1.0);
        let clean = Subject::Clean(Trap::Bursts);
        let trials = [
            trial(fault, "runtime", Some("D2")),
            trial(fault, "hardware", Some("D12")),
            trial(clean, "runtime", Some("D1")),
            trial(clean, "none", None),
        ];
        let score = Score::of(&trials);
        assert_eq!(score.faults(), (2, 1));
        assert_eq!(score.clean_total(), (2, 1));
        assert_eq!(score.by_plant[&2].named["D12"], 1);
        assert_eq!(score.intervals, (2, 2));
        assert!(score.counterfactual_errors.iter().all(|e| (e - 0.1).abs() < 1e-9));
        assert_eq!(score.misses.len(), 2);
    }
}

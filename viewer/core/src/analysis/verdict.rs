//! The answer for the whole capture: which layer is to blame, and by which causes.

use underspan_classifier::Role;
use underspan_detectors::{Case, Cause, Setting, Verdict, VerdictKind, detector};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{BASELINE, ImportOptions, NoProgress, import_paths};
use underspan_model::Timeline;
use underspan_model::tables::TableKind;

use super::from_requests::shown;
use super::{Culprit, Shown};
use crate::document::Document;
use crate::timeline::duration_text;

/// What is said of the whole capture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VerdictItem {
    /// The answer in a sentence.
    pub(crate) headline: String,
    /// Latency percentiles, with the baseline's.
    pub(crate) latency: String,
    /// Why it is not one layer.
    pub(crate) reasons: Vec<String>,
    /// The largest first.
    pub(crate) causes: Vec<CauseItem>,
    /// What the 95th percentile would be without the causes.
    pub(crate) without: Option<String>,
}

/// One cause.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CauseItem {
    /// `D1` to `D19`.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What it takes of the 95th percentile.
    pub(crate) p95_ns: u64,
    pub(crate) summary: String,
    /// What shows it, the most telling first.
    pub(crate) evidence: Vec<Shown>,
    /// What in a range of evidence is to blame.
    pub(crate) culprit: Culprit,
    /// How many requests it touched.
    pub(crate) n_requests: usize,
    /// Position of the request to look at: of those it touched most, one that the first evidence
    /// lies in.
    pub(crate) request: Option<usize>,
    pub(crate) remedy: String,
    pub(crate) setting: Option<String>,
    pub(crate) confirm: String,
}

/// A run from before a change, which lies beside the captures of a folder.
pub(super) struct Baseline {
    timeline: Timeline,
    analysis: Analysis,
    requests: Requests,
}

impl Baseline {
    /// The baseline of the folders that a document was opened from, if one has any; an error is
    /// in words.
    pub(super) fn of(document: &Document) -> Option<Result<Self, String>> {
        let folders: Vec<_> = document
            .paths()
            .iter()
            .map(|path| path.join(BASELINE))
            .filter(|path| path.is_dir())
            .collect();
        if folders.is_empty() {
            return None;
        }
        let imported = import_paths(&folders, &ImportOptions::default(), &NoProgress);
        Some(imported.map_err(|error| format!("the baseline cannot be read: {error}")).map(
            |imported| {
                let timeline = imported.timeline;
                let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
                let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
                Self { timeline, analysis, requests }
            },
        ))
    }

    fn case(&self) -> Case<'_> {
        Case::of(&self.timeline, &self.analysis, &self.requests)
    }
}

impl VerdictItem {
    /// `None` for a capture without requests: there is no slow request to explain.
    pub(super) fn of(
        timeline: &Timeline,
        analysis: &Analysis,
        requests: &Requests,
        baseline: Option<&Baseline>,
    ) -> Option<Self> {
        if requests.requests.is_empty() {
            return None;
        }
        let mut case = Case::of(timeline, analysis, requests);
        if let Some(baseline) = baseline {
            case = case.with_baseline(baseline.case());
        }
        let verdict = Verdict::of(&case);
        let without = verdict.counterfactual_p95.map(|(p95, interval)| {
            let between = interval.map_or(String::new(), |(low, high)| {
                format!(" ({} to {})", duration_text(low), duration_text(high))
            });
            format!("Without it p95 would be {}{between}.", duration_text(p95))
        });
        Some(Self {
            headline: headline(&verdict),
            latency: latency(&verdict),
            reasons: verdict.reasons.iter().map(|reason| sentence(reason)).collect(),
            causes: verdict
                .causes
                .iter()
                .map(|cause| cause_item(timeline, requests, cause))
                .collect(),
            without,
        })
    }
}

fn headline(verdict: &Verdict) -> String {
    let cause = verdict.top_cause.and_then(|id| Some((id, detector(id)?.title())));
    let layer = match verdict.kind {
        VerdictKind::Layer(layer) => format!("It is the {}", layer_words(layer.as_str())),
        VerdictKind::Mixed => "Several layers share the blame".to_owned(),
        VerdictKind::Inconclusive => {
            return "Inconclusive: the evidence does not carry a verdict.".to_owned();
        }
        VerdictKind::None => return "Nothing wrong was found.".to_owned(),
    };
    match cause {
        Some((id, title)) => format!("{layer}: {title} ({id})."),
        None => format!("{layer}."),
    }
}

fn layer_words(layer: &str) -> &str {
    match layer {
        "runtime" => "serving runtime",
        "outside" => "time outside of the server",
        other => other,
    }
}

fn latency(verdict: &Verdict) -> String {
    let (p50, p95) = (verdict.latency.p50, verdict.latency.p95);
    let Some((p50, p95)) = p50.zip(p95) else { return String::new() };
    let before = verdict.baseline.and_then(|baseline| baseline.p95);
    let before = before
        .map_or(String::new(), |p95| format!("; before, p95 was {}", duration_text(p95.value)));
    format!(
        "{} requests: p50 {}, p95 {}{before}.",
        verdict.latency.n,
        duration_text(p50.value),
        duration_text(p95.value)
    )
}

fn cause_item(timeline: &Timeline, requests: &Requests, cause: &Cause) -> CauseItem {
    let finding = &cause.finding;
    let mut evidence: Vec<Shown> =
        finding.evidence.iter().filter_map(|of| shown(requests, of)).collect();
    let times: Vec<Option<i64>> = evidence.iter().map(|of| start_ns(timeline, *of)).collect();
    let is_in = |request: u32| {
        let range = requests.requests.get(request as usize)?.interval;
        let at = times.iter().position(|time| {
            time.is_some_and(|ns| (range.start().as_ns()..=range.end().as_ns()).contains(&ns))
        })?;
        Some((request as usize, at))
    };
    let both = finding.requests.iter().find_map(|request| is_in(*request));
    if let Some((_, at)) = both {
        evidence[..=at].rotate_right(1);
    }
    let first = finding.requests.first().map(|request| *request as usize);
    CauseItem {
        id: finding.id,
        title: detector(finding.id).map_or("", |detector| detector.title()),
        p95_ns: cause.p95_ns.max(0.0) as u64,
        summary: sentence(&finding.summary),
        evidence,
        culprit: culprit(finding.id),
        n_requests: finding.requests.len(),
        request: both.map(|(request, _)| request).or(first),
        remedy: finding.remedy.clone(),
        setting: finding.setting.as_ref().map(setting),
        confirm: finding.confirm.clone(),
    }
}

/// When evidence begins.
fn start_ns(timeline: &Timeline, shown: Shown) -> Option<i64> {
    let column = match shown {
        Shown::Range(range) => return Some(range.start_ns()),
        Shown::Row(TableKind::Kernel, _) => &timeline.kernels.start_ns,
        Shown::Row(TableKind::Memcpy, _) => &timeline.memcpys.start_ns,
        Shown::Row(TableKind::ApiCall, _) => &timeline.api_calls.start_ns,
        Shown::Row(TableKind::Span, _) => &timeline.spans.start_ns,
        Shown::Row(..) => return None,
    };
    let Shown::Row(_, row) = shown else { return None };
    column.get(row as usize).copied()
}

fn setting(setting: &Setting) -> String {
    match &setting.current {
        Some(current) => format!("{}: {current} -> {}", setting.key, setting.suggested),
        None => format!("{}: {}", setting.key, setting.suggested),
    }
}

/// What of the steps that a detector names is to blame.
fn culprit(id: &str) -> Culprit {
    match id {
        "D4" => Culprit::Multiply,
        "D6" | "D7" | "D15" | "D18" => Culprit::Call,
        "D8" | "D11" => Culprit::Copy,
        "D14" => Culprit::Kernel(Role::Collective),
        "D1" | "D2" | "D16" => Culprit::Nothing,
        _ => Culprit::AnyKernel,
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    first.into_iter().flatten().chain(letters).collect::<String>() + stop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_sentences() {
        assert_eq!(sentence("p95 grew"), "P95 grew.");
        assert_eq!(sentence("Stop."), "Stop.");
        assert_eq!(sentence(""), ".");
    }

    #[test]
    fn a_setting_says_what_it_is_and_what_to_try() {
        let mut of = Setting { key: "k".into(), current: None, suggested: "2".into() };
        assert_eq!(setting(&of), "k: 2");
        of.current = Some("1".into());
        assert_eq!(setting(&of), "k: 1 -> 2");
    }
}

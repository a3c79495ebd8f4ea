//! The verdict: first the answer, then why, then what to do.

use underspan_detectors::{Cause, Detection, Latency, Percentile, Verdict, VerdictKind, detector};
use underspan_engine::P99_MIN_N;
use underspan_model::DurationNs;

use super::percent;
use crate::document::{Document, ReportTable};

/// Adds the verdict.
pub(crate) fn verdict(document: &mut Document, verdict: &Verdict) {
    document.heading("VERDICT");
    document.paragraph(answer(verdict));
    if verdict.latency.n > 0 {
        document.paragraph(latencies(verdict));
    }
    document.list(verdict.reasons.iter().map(|reason| sentence(reason)).collect());
    let is_certain = verdict.kind != VerdictKind::Inconclusive;
    if !verdict.causes.is_empty() {
        document.heading(if is_certain { "WHY" } else { "WHAT WAS SEEN, WITHOUT A VERDICT" });
        document.table(causes(verdict));
        document.list(verdict.causes.iter().map(why).collect());
        document.heading("WHAT TO DO");
        document.list(verdict.causes.iter().flat_map(remedy).collect());
        if let Some((p95, interval)) = verdict.counterfactual_p95 {
            let interval = interval.map_or(String::new(), |(low, high)| {
                format!(" (90 % interval {} to {})", time(low), time(high))
            });
            document.paragraph(format!(
                "Without {} p95 would be {}{interval}, by replaying the schedule.",
                if verdict.causes.len() == 1 { "it" } else { "them" },
                time(p95)
            ));
        }
    }
    document.list(verdict.caveats.iter().map(|caveat| sentence(caveat)).collect());
    let missing: Vec<String> = verdict
        .detections
        .iter()
        .filter_map(|(id, said)| match said {
            Detection::MissingInput(what) => Some(format!("{id} ({what})")),
            _ => None,
        })
        .collect();
    if !missing.is_empty() && verdict.latency.n > 0 {
        document.paragraph(format!("Not looked at, for lack of: {}.", missing.join(", ")));
    }
}

fn answer(verdict: &Verdict) -> String {
    let top = verdict.causes.iter().find(|cause| Some(cause.finding.id) == verdict.top_cause);
    match (verdict.kind, top) {
        (VerdictKind::None, _) => {
            "NONE: nothing wrong was found. The latency is what this load costs here.".to_owned()
        }
        (VerdictKind::Inconclusive, _) => {
            "INCONCLUSIVE: the evidence does not carry a verdict.".to_owned()
        }
        (kind, Some(cause)) => format!(
            "{}: {} ({}), {} of {}.",
            kind.as_str().to_uppercase(),
            title(cause.finding.id),
            cause.finding.id,
            percent(cause.share),
            if verdict.excess_ns.is_some() {
                "the growth of p95"
            } else if cause.finding.removal.is_empty() {
                "the slow requests' time"
            } else {
                "what was found"
            }
        ),
        (kind, None) => kind.as_str().to_uppercase(),
    }
}

fn latencies(verdict: &Verdict) -> String {
    let of = |latency: &Latency| {
        let p99 = latency.p99.filter(|_| latency.n >= P99_MIN_N);
        format!(
            "p50 {}, p95 {}, p99 {}",
            ranged(latency.p50),
            ranged(latency.p95),
            p99.map_or("unknown (n below 100)".to_owned(), |p99| ranged(Some(p99)))
        )
    };
    let baseline = verdict.baseline.as_ref();
    format!(
        "{} requests: {}. In the serving engine: p50 {}, p95 {}.{}",
        verdict.latency.n,
        of(&verdict.latency),
        plain(verdict.serving.p50),
        plain(verdict.serving.p95),
        baseline.map_or(String::new(), |baseline| format!(
            " Before: p50 {}, p95 {} over {} requests.",
            plain(baseline.p50),
            plain(baseline.p95),
            baseline.n
        ))
    )
}

fn causes(verdict: &Verdict) -> ReportTable {
    let mut table =
        ReportTable::new(&["cause<", "layer<", "of p95", "95 % interval", "share", "known<"]);
    for cause in &verdict.causes {
        let interval = cause.interval_ns.map_or(String::new(), |(low, high)| {
            format!("{} to {}", time(low.max(0) as u64), time(high.max(0) as u64))
        });
        table.row([
            format!("{} {}", cause.finding.id, title(cause.finding.id)),
            cause.layer.as_str().to_owned(),
            time(cause.p95_ns.max(0.0) as u64),
            interval,
            percent(cause.share),
            cause.finding.grade.as_str().to_owned(),
        ]);
    }
    table
}

fn why(cause: &Cause) -> String {
    let finding = &cause.finding;
    let against = finding.counter_evidence.first();
    format!(
        "{}: {}{}",
        finding.id,
        sentence(&finding.summary),
        against.map_or(String::new(), |against| format!(" But: {against}"))
    )
}

fn remedy(cause: &Cause) -> Vec<String> {
    let finding = &cause.finding;
    if finding.remedy.is_empty() {
        return vec![format!(
            "{}: Nothing. The latency is what this model costs here.",
            finding.id
        )];
    }
    let setting = finding.setting.as_ref().map_or(String::new(), |setting| {
        let current = setting.current.as_ref();
        format!(
            " Setting: {}{} -> {}.",
            setting.key,
            current.map_or(String::new(), |current| format!(" = {current}")),
            setting.suggested
        )
    });
    vec![
        format!("{}: {}{setting}", finding.id, finding.remedy),
        format!("To confirm {}: {}", finding.id, finding.confirm),
    ]
}

fn title(id: &str) -> &'static str {
    detector(id).map_or("", |detector| detector.title())
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let rest = chars.as_str();
    let end = if rest.ends_with(['.', '!']) { "" } else { "." };
    format!("{first}{rest}{end}")
}

fn time(ns: u64) -> String {
    DurationNs::from_ns(ns).to_string()
}

fn plain(percentile: Option<Percentile>) -> String {
    percentile.map_or("unknown".to_owned(), |percentile| time(percentile.value))
}

fn ranged(percentile: Option<Percentile>) -> String {
    percentile.map_or("unknown".to_owned(), |p| {
        format!("{} ({} to {})", time(p.value), time(p.low), time(p.high))
    })
}

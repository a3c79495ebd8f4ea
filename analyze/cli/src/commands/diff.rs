//! `underspan diff`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use underspan_engine::{Analysis, AnalysisOptions, CaptureDiff, Side};
use underspan_model::Trust;
use underspan_report::{diff_document, diff_json, trust_meaning};

use crate::args::{DiffArgs, DiffFormat, Global, Inputs};
use crate::exit::Outcome;
use crate::{commands, terminal};

pub(super) fn run(args: &DiffArgs, global: &Global) -> Result<Outcome> {
    for (name, value) in
        [("--max-slowdown", args.max_slowdown), ("--max-fallback", args.max_fallback)]
    {
        ensure!(value.is_finite() && value >= 0.0, "{name} {value}: expected a percentage");
    }
    let one = |path: &Option<PathBuf>| path.iter().cloned().collect::<Vec<_>>();
    let (before, after) = match args.before.is_empty() {
        true => (one(&args.a), one(&args.b)),
        false => (args.before.clone(), args.after.clone()),
    };
    let (before_name, after_name) = (name_of(&before)?, name_of(&after)?);
    let [before, after] =
        [before, after].map(|paths| commands::load(&Inputs { paths, accept_truncated: false }));
    let (before, after) = (before?.timeline, after?.timeline);
    let options = AnalysisOptions::default();
    let analyses = [&before, &after].map(|timeline| Analysis::of(timeline, &options));
    let diff = CaptureDiff::of(
        Side { timeline: &before, analysis: &analyses[0] },
        Side { timeline: &after, analysis: &analyses[1] },
    );
    let names = [before_name.as_str(), after_name.as_str()];
    let trusts = [&before, &after].map(|timeline| timeline.problems.trust());
    let failures = if args.gate { failures(&diff, names, trusts, args) } else { Vec::new() };
    let document = || {
        let mut document = diff_document(&diff, names, args.top);
        let untrusted = trusts.iter().zip(names).filter(|(trust, _)| **trust != Trust::Full);
        let untrusted: Vec<String> =
            untrusted.map(|(trust, name)| format!("{name}: {}", trust_meaning(*trust))).collect();
        if !untrusted.is_empty() {
            document.heading("TRUST");
            document.list(untrusted);
        }
        if !failures.is_empty() {
            document.heading("GATE");
            document.list(failures.clone());
        }
        document
    };
    let text = match args.format {
        DiffFormat::Json => diff_json(&diff, names, &failures),
        DiffFormat::Markdown => underspan_report::to_markdown(&document()),
        DiffFormat::Text => {
            let mut style = terminal::text_style(global);
            style.is_coloured &= args.output.is_none();
            underspan_report::to_text(&document(), style)
        }
    };
    terminal::write_data(&text, args.output.as_deref())?;
    Ok(if failures.is_empty() { Outcome::Done } else { Outcome::Objection })
}

fn name_of(paths: &[PathBuf]) -> Result<String> {
    let first: &Path = paths.first().context("two captures are needed")?;
    let name = first.file_name().unwrap_or(first.as_os_str()).to_string_lossy();
    Ok(match paths.len() {
        1 => name.into_owned(),
        n => format!("{name} and {} more", n - 1),
    })
}

/// The thresholds that the change passes, and captures that cannot be compared, in words.
fn failures(
    diff: &CaptureDiff,
    names: [&str; 2],
    trusts: [Trust; 2],
    args: &DiffArgs,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, trust) in names.into_iter().zip(trusts) {
        if trust == Trust::Damaged {
            failures.push(format!("{name} is damaged: what is left of it is no comparison"));
        }
    }
    let slower = |ratio: f64| (ratio - 1.0) * 100.0;
    let slowdown = diff.kernel_time_ratio().map_or(0.0, slower);
    if slowdown > args.max_slowdown {
        failures.push(format!(
            "kernel time grew by {slowdown:.1} %, more than --max-slowdown {}",
            args.max_slowdown
        ));
    }
    for latency in diff.latencies.iter().filter(|latency| !latency.is_sparse) {
        for quantile in &latency.quantiles {
            let slowdown = slower(quantile.ratio());
            if quantile.is_significant() && slowdown > args.max_slowdown {
                failures.push(format!(
                    "{} p{} grew by {slowdown:.1} %, more than --max-slowdown {}",
                    latency.kind, quantile.percent, args.max_slowdown
                ));
            }
        }
    }
    let fallback = diff.fallback_share() * 100.0;
    if fallback > args.max_fallback {
        failures.push(format!(
            "{fallback:.1} % of multiply time fell to a wider type or off tensor cores, more than \
             --max-fallback {}",
            args.max_fallback
        ));
    }
    failures
}

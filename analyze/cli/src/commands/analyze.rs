//! `underspan analyze`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use underspan_detectors::{Case, Verdict};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_model::Timeline;
use underspan_report::ReportOptions;

use crate::args::{AnalyzeArgs, AnalyzeFormat, Global, Inputs};
use crate::exit::Outcome;
use crate::{commands, terminal};

pub(super) fn run(args: &AnalyzeArgs, global: &Global) -> Result<Outcome> {
    let declared = commands::declared::declared(args.declared.as_deref())?;
    let options = AnalysisOptions { declared, ..AnalysisOptions::default() };
    let run = Run::of(commands::load(&args.inputs)?.timeline, &options);
    let paths = baseline_of(args);
    let baseline = if paths.is_empty() {
        None
    } else {
        let inputs = Inputs { paths, accept_truncated: args.inputs.accept_truncated };
        let timeline = commands::load(&inputs).context("cannot read the baseline")?.timeline;
        Some(Run::of(timeline, &options))
    };
    let mut case = run.case();
    if let Some(baseline) = &baseline {
        case = case.with_baseline(baseline.case());
    }
    let verdict = Verdict::of(&case);
    let options = ReportOptions { top: args.top };
    let document = || {
        // A trace alone is no question about requests: its report begins with what happened.
        let asked = !run.timeline.spans.is_empty() || baseline.is_some();
        let verdict = asked.then_some(&verdict);
        underspan_report::analysis_document(&run.timeline, &run.analysis, verdict, &options)
    };
    let text = match args.format {
        AnalyzeFormat::Json => {
            underspan_report::analysis_json(&run.timeline, &run.analysis, Some(&verdict))
        }
        AnalyzeFormat::Text => {
            let mut style = terminal::text_style(global);
            style.is_coloured &= args.output.is_none();
            underspan_report::to_text(&document(), style)
        }
        AnalyzeFormat::Markdown => underspan_report::to_markdown(&document()),
    };
    terminal::write_data(&text, args.output.as_deref())?;
    Ok(Outcome::Done)
}

/// The run to compare with: what was named, or the folder for it in the only folder.
fn baseline_of(args: &AnalyzeArgs) -> Vec<PathBuf> {
    if !args.baseline.is_empty() {
        return args.baseline.clone();
    }
    let within = args.inputs.paths.iter().map(|path| path.join(underspan_import::BASELINE));
    within.filter(|path| path.is_dir()).collect()
}

/// One run with everything that is said of it.
struct Run {
    timeline: Timeline,
    analysis: Analysis,
    requests: Requests,
}

impl Run {
    fn of(timeline: Timeline, options: &AnalysisOptions) -> Self {
        let analysis = Analysis::of(&timeline, options);
        let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
        Self { timeline, analysis, requests }
    }

    fn case(&self) -> Case<'_> {
        Case::of(&self.timeline, &self.analysis, &self.requests)
    }
}

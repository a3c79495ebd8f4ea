//! `underspan analyze`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use underspan_detectors::{Case, Cost, Objective, Verdict};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_model::Timeline;
use underspan_report::{Answers, ReportOptions};

use crate::args::{AnalyzeArgs, AnalyzeFormat, Global, Inputs};
use crate::exit::Outcome;
use crate::{commands, terminal};

/// How long a webhook may take to answer.
const WEBHOOK_LIMIT: Duration = Duration::from_secs(15);

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
    let price = price_of(args.gpu_price.as_deref(), &case)?;
    let cost = price.and_then(|price| Cost::of(&case, price));
    let objective =
        args.slo.as_deref().map(|slo| Objective::parse(slo, args.target)).transpose()?;
    let slo = objective.map(|objective| objective.attainment(&case));
    let cohorts = underspan_detectors::cohorts(&case);
    let tokens = run.requests.token_latencies();
    let mut answers = Answers {
        verdict: Some(&verdict),
        tokens: Some(&tokens),
        cost: cost.as_ref(),
        slo: slo.as_ref(),
        cohorts: &cohorts,
    };
    let options = ReportOptions { top: args.top };
    let mut document = || {
        // A trace alone is no question about requests: its report begins with what happened.
        let has_requests = !run.timeline.spans.is_empty() || !run.requests.requests.is_empty();
        let asked = has_requests || baseline.is_some();
        answers.verdict = answers.verdict.filter(|_| asked);
        underspan_report::analysis_document(&run.timeline, &run.analysis, &answers, &options)
    };
    let text = match args.format {
        AnalyzeFormat::Json => {
            underspan_report::analysis_json(&run.timeline, &run.analysis, &answers)
        }
        AnalyzeFormat::Text => {
            let mut style = terminal::text_style(global);
            style.is_coloured &= args.output.is_none();
            underspan_report::to_text(&document(), style)
        }
        AnalyzeFormat::Markdown => underspan_report::to_markdown(&document()),
        AnalyzeFormat::Html => {
            let names = args
                .inputs
                .paths
                .iter()
                .map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy());
            let title = format!("underspan: {}", names.collect::<Vec<_>>().join(", "));
            underspan_report::to_html(&title, &document(), &run.requests)
        }
    };
    terminal::write_data(&text, args.output.as_deref())?;
    if let Some(url) = &args.webhook {
        let inputs: Vec<String> =
            args.inputs.paths.iter().map(|path| path.display().to_string()).collect();
        let document = underspan_report::verdict_json(&inputs, &answers);
        underspan_receiver::post_json(url, document, WEBHOOK_LIMIT)
            .context("the verdict could not be sent to the webhook")?;
    }
    Ok(Outcome::Done)
}

/// The price of a GPU for an hour: as given, such as `2.50/h`, or a usual one.
fn price_of(given: Option<&str>, case: &Case<'_>) -> Result<Option<f64>> {
    let Some(given) = given else { return Ok(None) };
    if given == "usual" {
        let usual = Cost::usual_price(case);
        return usual
            .map(Some)
            .context("no usual price is known for this GPU: give one, as in --gpu-price 2.50/h");
    }
    let number = given.trim_start_matches('$').trim_end_matches("/h").trim();
    let price: Option<f64> =
        number.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price
        .map(Some)
        .with_context(|| format!("--gpu-price {given}: expected a price for an hour, as in 2.50/h"))
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

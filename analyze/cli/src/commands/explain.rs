//! `underspan explain`.

use anyhow::{Context, Result, bail, ensure};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_report::{RequestSelector, Slowest, explain_document, explain_json};

use crate::args::{ExplainArgs, ExplainFormat, Global, Which};
use crate::exit::Outcome;
use crate::{commands, terminal};

pub(super) fn run(args: &ExplainArgs, global: &Global) -> Result<Outcome> {
    let selector = selector(&args.which)?;
    let declared = commands::declared::declared(args.declared.as_deref())?;
    let timeline = commands::load(&args.inputs)?.timeline;
    let options = AnalysisOptions { declared, ..AnalysisOptions::default() };
    let analysis = Analysis::of(&timeline, &options);
    let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
    ensure!(!requests.requests.is_empty(), "no request is in the capture: no span of a server");
    let chosen = selector.find(&timeline, &requests);
    if chosen.is_empty() {
        let example = &requests.requests[0];
        let trace = example.trace_id.map(|id| format!(", trace {id:032x}")).unwrap_or_default();
        bail!(
            "no request matches; the capture holds {}, such as {}{trace}",
            requests.requests.len(),
            example.request_id,
        );
    }
    let text = match args.format {
        ExplainFormat::Json => {
            let is_single = !matches!(selector, RequestSelector::Slowest(_));
            explain_json(&requests, &chosen, is_single)
        }
        ExplainFormat::Text => {
            let document = explain_document(&timeline, &requests, &chosen);
            let mut style = terminal::text_style(global);
            style.is_coloured &= args.output.is_none();
            underspan_report::to_text(&document, style)
        }
        ExplainFormat::Markdown => {
            underspan_report::to_markdown(&explain_document(&timeline, &requests, &chosen))
        }
    };
    terminal::write_data(&text, args.output.as_deref())?;
    Ok(Outcome::Done)
}

fn selector(which: &Which) -> Result<RequestSelector> {
    if let Some(text) = &which.trace_id {
        // A traceparent is `00-<trace id>-<span id>-<flags>`.
        let digits = match text.split('-').collect::<Vec<_>>()[..] {
            [_, trace, _, _] => trace,
            _ => text.trim_start_matches("0x"),
        };
        let id = u128::from_str_radix(digits, 16);
        let id = id.with_context(|| format!("--trace-id {text}: expected hexadecimal digits"))?;
        return Ok(RequestSelector::Trace(id));
    }
    if let Some(text) = &which.span_id {
        let id = u64::from_str_radix(text.trim_start_matches("0x"), 16);
        let id = id.with_context(|| format!("--span-id {text}: expected hexadecimal digits"))?;
        return Ok(RequestSelector::Span(id));
    }
    if let Some(id) = &which.request_id {
        return Ok(RequestSelector::Id(id.clone()));
    }
    let text = which.slowest.as_deref().unwrap_or_default();
    let wrong = || format!("--slowest {text}: expected a count, or a share as in 1%");
    let slowest = match text.strip_suffix('%') {
        Some(share) => Slowest::Percent(share.trim().parse().with_context(wrong)?),
        None => Slowest::Count(text.parse().with_context(wrong)?),
    };
    let is_sound = match slowest {
        Slowest::Count(n) => n > 0,
        Slowest::Percent(share) => share > 0.0 && share <= 100.0,
    };
    ensure!(is_sound, wrong());
    Ok(RequestSelector::Slowest(slowest))
}

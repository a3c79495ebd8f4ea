//! `underspan analyze`.

use anyhow::Result;
use underspan_engine::{Analysis, AnalysisOptions};
use underspan_report::ReportOptions;

use crate::args::{AnalyzeArgs, AnalyzeFormat, Global};
use crate::exit::Outcome;
use crate::{commands, terminal};

pub(super) fn run(args: &AnalyzeArgs, global: &Global) -> Result<Outcome> {
    let declared = commands::declared::declared(args.declared.as_deref())?;
    let timeline = commands::load(&args.inputs)?.timeline;
    let options = AnalysisOptions { declared, ..AnalysisOptions::default() };
    let analysis = Analysis::of(&timeline, &options);
    let options = ReportOptions { top: args.top };
    let text = match args.format {
        AnalyzeFormat::Json => underspan_report::analysis_json(&timeline, &analysis),
        AnalyzeFormat::Text => {
            let document = underspan_report::analysis_document(&timeline, &analysis, &options);
            let mut style = terminal::text_style(global);
            style.is_coloured &= args.output.is_none();
            underspan_report::to_text(&document, style)
        }
        AnalyzeFormat::Markdown => {
            let document = underspan_report::analysis_document(&timeline, &analysis, &options);
            underspan_report::to_markdown(&document)
        }
    };
    terminal::write_data(&text, args.output.as_deref())?;
    Ok(Outcome::Done)
}

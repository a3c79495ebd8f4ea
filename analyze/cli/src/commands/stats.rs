//! `underspan stats`.

use anyhow::Result;
use underspan_engine::{Analysis, AnalysisOptions};
use underspan_report::Document;

use crate::args::{Global, StatsArgs, StatsFormat};
use crate::exit::Outcome;
use crate::{commands, terminal};

pub(super) fn run(args: &StatsArgs, global: &Global) -> Result<Outcome> {
    let timeline = commands::load(&args.inputs)?.timeline;
    let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
    let mut table = args.report.table(&timeline, &analysis);
    if let Some(top) = args.top {
        table.truncate(top);
    }
    let document = || {
        let mut document = Document::default();
        document.heading(args.report.title());
        match table.rows.is_empty() {
            true => document.paragraph("Nothing of this kind is in the capture."),
            false => document.table(table.to_report_table()),
        }
        document
    };
    let text = match args.format {
        StatsFormat::Csv => table.to_csv(),
        StatsFormat::Json => table.to_json(),
        StatsFormat::Markdown => underspan_report::to_markdown(&document()),
        StatsFormat::Text => {
            let mut style = terminal::text_style(global);
            style.is_coloured &= args.output.is_none();
            underspan_report::to_text(&document(), style)
        }
    };
    terminal::write_data(&text, args.output.as_deref())?;
    Ok(Outcome::Done)
}

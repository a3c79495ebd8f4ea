//! `underspan explain-finding`.

use anyhow::{Context, Result};
use underspan_detectors::{detector, detectors};
use underspan_report::{Document, ReportTable, to_text};

use crate::args::{ExplainFindingArgs, Global};
use crate::exit::Outcome;
use crate::terminal;

pub(super) fn run(args: &ExplainFindingArgs, global: &Global) -> Result<Outcome> {
    let mut document = Document::default();
    match &args.id {
        None => {
            let mut table = ReportTable::new(&["id<", "layer<", "finding<"]);
            for detector in detectors() {
                let layer = detector.layer().as_str();
                table.row([detector.id(), layer, detector.title()].map(str::to_owned));
            }
            document.table(table);
        }
        Some(id) => {
            let detector = detector(id)
                .with_context(|| format!("no finding has the id {id}: they are D1 to D19"))?;
            document.heading(format!("{} {}", detector.id(), detector.title()));
            document.paragraph(format!("Layer: {}.", detector.layer().as_str()));
            document.paragraph(detector.explanation());
        }
    }
    terminal::write_data(&to_text(&document, terminal::text_style(global)), None)?;
    Ok(Outcome::Done)
}

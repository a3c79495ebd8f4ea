//! `underspan info`.

use anyhow::Result;
use underspan_engine::CaptureSummary;

use crate::args::{Global, InfoArgs, InfoFormat};
use crate::exit::Outcome;
use crate::{commands, terminal};

pub(super) fn run(args: &InfoArgs, global: &Global) -> Result<Outcome> {
    let timeline = commands::load(&args.inputs)?.timeline;
    let summary = CaptureSummary::of(&timeline);
    let text = match args.format {
        InfoFormat::Json => underspan_report::info_json(&timeline, &summary),
        InfoFormat::Text => {
            let document = underspan_report::info_document(&timeline, &summary);
            underspan_report::to_text(&document, terminal::text_style(global))
        }
    };
    terminal::write_data(&text, None)?;
    Ok(Outcome::Done)
}

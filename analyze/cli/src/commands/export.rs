//! `underspan export`.

use anyhow::Result;
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_report::{explain_json, members_json};

use crate::args::{ExportArgs, ExportFormat, ExportWhat};
use crate::exit::Outcome;
use crate::{commands, terminal};

pub(super) fn run(args: &ExportArgs) -> Result<Outcome> {
    let timeline = commands::load(&args.inputs)?.timeline;
    let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
    let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
    let text = match (args.to, args.what) {
        (ExportFormat::Json, ExportWhat::Members) => members_json(&requests, |process| {
            timeline.dimensions.processes.pid.get(process.index()).copied()
        }),
        (ExportFormat::Json, ExportWhat::Requests) => {
            let all: Vec<usize> = (0..requests.requests.len()).collect();
            explain_json(&requests, &all, false)
        }
    };
    terminal::write_data(&text, args.output.as_deref())?;
    Ok(Outcome::Done)
}

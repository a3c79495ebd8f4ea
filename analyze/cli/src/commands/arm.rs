//! `underspan arm`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use underspan_detectors::{Measure, Objective};
use underspan_launcher::{
    ArmOptions, Mode, Observer, Pieces, ProcessTree, RecordOptions, RequestLimits, RequestObjective,
};

use super::record::finish;
use crate::args::ArmArgs;
use crate::exit::Outcome;
use crate::terminal;

pub(super) fn run(args: &ArmArgs) -> Result<Outcome> {
    let output = args.output.clone().unwrap_or_else(|| "capture.uspan".into());
    let options = ArmOptions {
        record: RecordOptions {
            command: args.command.clone(),
            output: output.clone(),
            mode: if args.dormant { Mode::Dormant } else { Mode::Ring },
            kinds: args.what.kinds.kinds(),
            duration: args.duration,
            overhead_budget_percent: args.what.overhead_budget,
            ring_window: args.last,
            without_hook: args.what.no_hook,
            without_otlp: args.what.no_otlp,
            chain: args.what.chain,
            ..RecordOptions::default()
        },
        trigger_file: args.trigger_file.clone(),
        http_port: args.http,
        requests: limits(args)?,
    };
    let recorded = underspan_launcher::arm(&options, &mut Watcher { output })?;
    Ok(Outcome::Ending(recorded.ending))
}

/// What requests have to keep.
fn limits(args: &ArmArgs) -> Result<RequestLimits> {
    let objective =
        args.slo.as_deref().map(|slo| Objective::parse(slo, args.target)).transpose()?;
    let objective = objective.map(|objective| {
        let limit = |wanted: Measure| {
            let found = objective.limits.iter().find(|(measure, _)| *measure == wanted);
            found.map(|(_, limit_ns)| Duration::from_nanos(*limit_ns))
        };
        RequestObjective {
            e2e: limit(Measure::E2e),
            ttft: limit(Measure::Ttft),
            itl: limit(Measure::Itl),
            target: objective.target,
        }
    });
    Ok(RequestLimits { slower_than: args.slower_than, objective })
}

/// Makes a capture of each trigger.
struct Watcher {
    output: PathBuf,
}

impl Observer for Watcher {
    fn note(&mut self, line: &str) {
        terminal::error(line);
    }

    fn complete(&mut self, pieces: &Pieces, processes: &ProcessTree) {
        match next_free(&self.output) {
            Ok(path) => finish(pieces, processes, &path),
            Err(error) => terminal::error(&format!("{error:#}")),
        }
    }
}

/// `cap-1.uspan`, `cap-2.uspan`, … for `cap.uspan`: the first that is free.
fn next_free(output: &Path) -> Result<PathBuf> {
    let name = output.file_name().context("the output has no file name")?.to_string_lossy();
    let stem = name.strip_suffix(".uspan").unwrap_or(&name);
    (1..100_000)
        .map(|number| output.with_file_name(format!("{stem}-{number}.uspan")))
        .find(|path| !path.exists())
        .with_context(|| format!("{}: no number is free", output.display()))
}

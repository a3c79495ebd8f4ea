//! `underspan import`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use underspan_native::WriteOptions;

use crate::args::ImportArgs;
use crate::exit::Outcome;
use crate::{commands, terminal};

/// A file of this many bytes is packed: it then opens within about a tenth of a second.
const PACK_UP_TO_BYTES: u64 = 64 << 10;
/// The same where the user says that size matters more than time.
const REPACK_UP_TO_BYTES: u64 = 1 << 20;

pub(super) fn run(args: &ImportArgs) -> Result<Outcome> {
    let output = match &args.output {
        Some(path) => path.clone(),
        None => default_output(&args.inputs.paths)?,
    };
    ensure_writable(&output, args.force)?;
    let timeline = commands::load(&args.inputs)?.timeline;
    let pack_up_to_bytes = if args.repack { REPACK_UP_TO_BYTES } else { PACK_UP_TO_BYTES };
    let options =
        WriteOptions { predictors: args.repack, pack_up_to_bytes, ..WriteOptions::default() };
    underspan_native::write_timeline(&output, &timeline, &options)?;
    let written_bytes = std::fs::metadata(&output)?.len();
    let n_events = timeline.event_count();
    terminal::note(&format!(
        "{}: {n_events} events in {} ({:.2} bytes each)",
        output.display(),
        underspan_model::Bytes::new(written_bytes),
        written_bytes as f64 / n_events.max(1) as f64,
    ));
    Ok(Outcome::Done)
}

/// Refuses to overwrite what the user did not say may go.
pub(super) fn ensure_writable(output: &Path, force: bool) -> Result<()> {
    ensure!(force || !output.exists(), "{}: exists; --force replaces it", output.display());
    Ok(())
}

fn default_output(inputs: &[PathBuf]) -> Result<PathBuf> {
    ensure!(inputs.len() == 1, "several inputs need a name for the output: -o FILE");
    let input = inputs.first().context("no input")?;
    let name = input.file_name().context("the input has no file name")?.to_string_lossy();
    let endings = [".gz", ".zst", ".json", ".pt.trace", ".sqlite", ".uspan"];
    let mut stem = name.as_ref();
    for ending in endings {
        stem = stem.strip_suffix(ending).unwrap_or(stem);
    }
    Ok(input.with_file_name(format!("{stem}.uspan")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_named_after_the_input() {
        let named = |input: &str| default_output(&[PathBuf::from(input)]).unwrap();
        assert_eq!(named("a/rank0.pt.trace.json.gz"), PathBuf::from("a/rank0.uspan"));
        assert_eq!(named("report.sqlite"), PathBuf::from("report.uspan"));
        assert!(default_output(&["a".into(), "b".into()]).is_err());
    }
}

//! `underspan recover`.

use anyhow::Result;
use underspan_model::Bytes;
use underspan_native::WriteOptions;

use super::import::ensure_writable;
use crate::args::RecoverArgs;
use crate::exit::Outcome;
use crate::terminal;

pub(super) fn run(args: &RecoverArgs) -> Result<Outcome> {
    ensure_writable(&args.output, args.force)?;
    let options = WriteOptions::default();
    let report = underspan_native::recover(&args.path, &args.output, &options)?;
    for finding in &report.findings {
        terminal::note(&format!(
            "at byte {}: {} ({})",
            finding.offset,
            finding.kind.meaning(),
            finding.detail
        ));
    }
    terminal::note(&format!(
        "{}: {} rows saved in {}",
        args.output.display(),
        report.rows,
        Bytes::new(report.written.bytes)
    ));
    Ok(Outcome::Done)
}

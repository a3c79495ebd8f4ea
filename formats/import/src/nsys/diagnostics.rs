//! What the profiler itself said it missed.
//!
//! `DIAGNOSTIC_EVENT(…, severity, text, …)`; severities of `ENUM_DIAGNOSTIC_SEVERITY_LEVEL`: 1
//! info, 2 warning, 3 error, 4 verbose. Most rows say that something started; some name folders.

use underspan_model::ProblemKind;

use super::context::Context;
use super::database::Database;
use super::rows::for_each_row;
use crate::ImportError;

/// The table read here.
pub(super) const TABLE: &str = "DIAGNOSTIC_EVENT";

const WARNING: i64 = 2;
const ERROR: i64 = 3;
/// Most characters of a message that are kept.
const LONGEST_QUOTE: usize = 160;

/// Counts warnings and errors about records that were not collected.
pub(super) fn read(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    for_each_row(database, context, TABLE, &["severity", "text"], |context, cells| {
        if !matches!(cells.integer(0)?, Some(WARNING | ERROR)) {
            return Ok(());
        }
        let value = cells.value(1);
        let Ok(text) = value.as_bytes() else { return Ok(()) };
        let text = String::from_utf8_lossy(text);
        if tells_of_loss(&text) {
            context.count(ProblemKind::RecordDropped, 1, || quote(&text));
        }
        Ok(())
    })
}

/// Whether a message says that records of the kinds read here are missing. Lost samples of the CPU
/// change no number of ours.
fn tells_of_loss(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_ours = ["cuda", "cupti", "nvtx", "gpu"].iter().any(|kind| text.contains(kind));
    let is_loss = ["dropped", "lost", "discarded", "not all", "overflow"]
        .iter()
        .any(|loss| text.contains(loss));
    is_ours && is_loss
}

/// The first line, without words that look like paths.
fn quote(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let words: Vec<_> =
        line.split_whitespace().filter(|word| !word.contains(['/', '\\'])).collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(LONGEST_QUOTE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_missing_records_of_ours_are_a_loss() {
        assert!(tells_of_loss("Not all CUDA events might have been collected."));
        assert!(tells_of_loss("12 CUPTI records were dropped."));
        assert!(!tells_of_loss("Some CPU samples were lost."));
        assert!(!tells_of_loss("No NVTX events collected. Does the process use NVTX?"));
    }

    #[test]
    fn a_quote_is_one_line_without_folders() {
        assert_eq!(
            quote("CUDA events lost, see /tmp/x/y for more\nnext"),
            "CUDA events lost, see for more"
        );
    }
}

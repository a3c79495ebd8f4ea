//! What the hook says about itself and its process.

use serde_json::Value;
use underspan_model::ProblemKind;

/// One note, as far as it matters here.
#[derive(Debug, PartialEq)]
pub(super) enum Note {
    /// The process: its name.
    Process(String),
    /// The rank of the worker in this process.
    Rank(u32),
    /// Something was patched: key and value of a fact about the file.
    Patched(&'static str, String),
    /// Something is not recorded, and why.
    Problem(ProblemKind, String),
    /// Nothing to keep.
    Other,
}

impl Note {
    /// Reads a note; `None` when it is no JSON object.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let note: Value = serde_json::from_slice(text).ok()?;
        let text = |key: &str| note.get(key).and_then(Value::as_str).unwrap_or("?");
        Some(match note.as_object()?.get("event").and_then(Value::as_str)? {
            "process" => Self::Process(text("name").to_owned()),
            "rank" => {
                let rank = note.get("rank").and_then(Value::as_u64);
                rank.and_then(|rank| u32::try_from(rank).ok()).map_or(Self::Other, Self::Rank)
            }
            "patched" => {
                let tried = match note.get("tried").and_then(Value::as_bool) {
                    Some(true) => "",
                    _ => ", a version the hook was not tried with",
                };
                let engine = format!("{} {}{tried}", text("engine"), text("version"));
                Self::Patched("hook_engine", engine)
            }
            "missing" => Self::Problem(
                ProblemKind::MissingEvidence,
                format!("{} {} has no {}", text("engine"), text("version"), text("target")),
            ),
            "collector_lost" => Self::Problem(
                ProblemKind::MissingEvidence,
                format!("the collector refused the hook's records: {}", text("message")),
            ),
            "disabled" => Self::Problem(
                ProblemKind::CollectionGap,
                format!(
                    "the hook stopped recording {} after an error in {}: {} {} ({})",
                    text("part"),
                    text("where"),
                    text("error"),
                    text("message"),
                    text("at"),
                ),
            ),
            _ => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_stopped_is_a_gap() {
        let text = br#"{"event":"disabled","part":"vllm.steps","where":"execute_model",
            "error":"AttributeError","message":"no attribute","at":"vllm.py:7"}"#;
        let Some(Note::Problem(kind, words)) = Note::parse(text) else { panic!("a problem") };
        assert_eq!(kind, ProblemKind::CollectionGap);
        assert!(words.contains("vllm.steps") && words.contains("vllm.py:7"), "{words}");
    }

    #[test]
    fn notes_of_later_versions_are_passed_over_and_no_notes_are_told() {
        assert_eq!(Note::parse(br#"{"event":"new"}"#), Some(Note::Other));
        assert_eq!(Note::parse(br#"{"event":"rank","rank":-1}"#), Some(Note::Other));
        assert_eq!(Note::parse(br#"{"event":"rank","rank":3}"#), Some(Note::Rank(3)));
        assert_eq!(Note::parse(b"[1]"), None);
        assert_eq!(Note::parse(b"\xff"), None);
    }
}

//! What is done in a child, and how its answer comes back.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use underspan_cupti::Inspection;

use crate::nvml::{Card, open};

/// How long an answer may take. NVML takes seconds where no process keeps the driver awake.
const LIMIT: Duration = Duration::from_secs(20);
/// Longest answer.
const ANSWER_BYTES: u64 = 1 << 20;

/// The answer to `doctor --probe WHAT`, in one line of JSON: `nvml`, or `cupti=PATH`. `None` when
/// it is neither. It may crash instead of answering.
pub fn probe(what: &str) -> Option<String> {
    let answer = match what.split_once('=') {
        None if what == "nvml" => nvml(),
        Some(("cupti", path)) => cupti(Path::new(path)),
        _ => return None,
    };
    Some(answer.to_string())
}

fn nvml() -> Value {
    let opened = open().and_then(|nvml| {
        let cards = Card::all(&nvml)?;
        Ok(cards
            .iter()
            .map(|card| {
                let facts: serde_json::Map<_, _> = card
                    .facts
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), value.as_str().into()))
                    .collect();
                json!({
                    "index": card.index, "name": card.name, "facts": facts,
                    "compute_capability": card.compute_capability,
                    "memory_bytes": card.memory_bytes, "missing": card.missing_counters(),
                    "virtualization": card.virtualization(),
                })
            })
            .collect::<Vec<_>>())
    });
    match opened {
        Ok(cards) => json!({ "cards": cards }),
        Err(reason) => json!({ "error": reason }),
    }
}

fn cupti(path: &Path) -> Value {
    let inspection = match Inspection::of_library(path) {
        Ok(inspection) => inspection,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let told = |error: &dyn std::fmt::Display| json!({ "error": error.to_string() });
    json!({
        "version": match &inspection.version { Ok(version) => json!(version), Err(e) => told(e) },
        "layout": match &inspection.strides { Ok(_) => json!("known"), Err(e) => told(e) },
        "clock": match &inspection.timestamp_ns { Ok(_) => json!("answers"), Err(e) => told(e) },
        "missing_functions": inspection.missing_functions,
    })
}

/// How a child ended.
pub(super) enum Answer {
    Told(Value),
    /// Why it did not answer.
    Silent(String),
}

/// Asks `program` in a child.
pub(super) fn ask(program: &Path, what: &str) -> Answer {
    answer(program, what).unwrap_or_else(Answer::Silent)
}

fn answer(program: &Path, what: &str) -> Result<Answer, String> {
    let mut child = Command::new(program)
        .args(["doctor", "--probe", what])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut output = child.stdout.take().ok_or("no output")?.take(ANSWER_BYTES);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() >= deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {} s", LIMIT.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    if !status.success() {
        return Err(format!("crashes when it is asked ({status})"));
    }
    let text = reader.join().map_err(|_| "no output")?.map_err(|error| error.to_string())?;
    // Libraries may print something of their own in front.
    let line = text.lines().next_back().unwrap_or_default();
    serde_json::from_str(line).map(Answer::Told).map_err(|error| error.to_string())
}

/// A folder's entries that have a name like this.
pub(super) fn entries(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries
        .filter(|entry| is_wanted(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

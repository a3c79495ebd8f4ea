//! What the operator declares about a run: model, GPUs, engine and its settings.
//!
//! # The bytes
//!
//! One JSON object; any key may be missing:
//!
//! ```json
//! {"model": {"name": "m-4b", "declared_dtype": "bfloat16", "num_hidden_layers": 36, …},
//!  "gpu": "NVIDIA H100", "gpus": 1,
//!  "engine": {"name": "vllm", "version": "0.33.0", "max_num_seqs": 64, …}}
//! ```
//!
//! Each value becomes a property named by its path: `declared.model.name`,
//! `declared.engine.dynamic_batching.preferred_batch_size.0`.

use underspan_model::tables::Property;
use underspan_model::{ProblemKind, SourceId, Timeline};

use crate::importer::timeline_of;
use crate::input::InputFile;
use crate::json::{Json, outline};
use crate::small_json::each_value;
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "declared_json";

/// Keys of the document.
const KEYS: [&str; 4] = ["model", "gpu", "gpus", "engine"];
/// Most values that are stored.
const VALUE_LIMIT: usize = 4096;
/// Longest value that is stored.
const TEXT_LIMIT_BYTES: usize = 1024;

/// Reads what the operator declares.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeclaredImporter;

impl Importer for DeclaredImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "a declaration of model and engine in JSON"
    }

    /// A whole object of known keys, or one whose model or engine says what only a declaration
    /// says. Requests to servers and many other documents have a "model" too.
    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head).filter(|outline| outline.n_lists == 0) else {
            return Probe::No;
        };
        let n_known = KEYS.iter().filter(|key| outline.has(key)).count();
        if !head.is_whole || n_known == 0 {
            return Probe::No;
        }
        let holds = |key: &str, words: &[&str]| {
            let value = outline.value(key).filter(|value| value.starts_with(b"{"));
            value.is_some_and(|value| {
                words.iter().any(|word| memchr::memmem::find(value, word.as_bytes()).is_some())
            })
        };
        let is_own = holds("model", &["\"declared_dtype\"", "\"num_hidden_layers\"", "\"name\""])
            || holds("engine", &["\"name\"", "\"version\""]);
        if n_known == outline.members.len() || is_own { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let (mut timeline, source) = timeline_of(input, FORMAT);
        let name = input.name().into_owned();
        each_value(input, options, progress, |value, _| {
            flatten(value, "declared", source, &name, &mut timeline);
            Ok(())
        })?;
        Ok(timeline)
    }
}

/// Stores the values of a document under their paths.
fn flatten(value: &Json<'_>, path: &str, source: SourceId, name: &str, timeline: &mut Timeline) {
    let text = match value {
        Json::Object(members) => {
            for (key, value) in members {
                flatten(value, &format!("{path}.{key}"), source, name, timeline);
            }
            return;
        }
        Json::List(items) => {
            for (at, value) in items.iter().enumerate() {
                flatten(value, &format!("{path}.{at}"), source, name, timeline);
            }
            return;
        }
        Json::Null => return,
        Json::Truth(truth) => truth.to_string(),
        Json::Number(text) => (*text).to_owned(),
        Json::Text(text) => text.clone().into_owned(),
    };
    let is_too_much = timeline.dimensions.properties.len() >= VALUE_LIMIT;
    if is_too_much || text.len() > TEXT_LIMIT_BYTES || path.len() > TEXT_LIMIT_BYTES {
        let example = || path.chars().take(80).collect();
        timeline.problems.record(ProblemKind::NumberOutOfRange, name, 1, example);
        return;
    }
    let property = Property {
        source: source.raw(),
        key: timeline.strings.intern(path).raw(),
        value: timeline.strings.intern(&text).raw(),
    };
    timeline.dimensions.properties.push(property);
}

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

    /// A whole object whose every key is known, and of which at least one tells it from any other
    /// document that has a "model".
    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head).filter(|outline| outline.n_lists == 0) else {
            return Probe::No;
        };
        let is_object = |key| outline.value(key).is_some_and(|value| value.starts_with(b"{"));
        let n_known = KEYS.iter().filter(|key| outline.has(key)).count();
        let is_own = is_object("model") || is_object("engine") || outline.has("gpus");
        if !head.is_whole || !is_own {
            return Probe::No;
        }
        if n_known == outline.members.len() { Probe::Yes } else { Probe::Maybe }
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

//! JSON contracts. Keys are added, never renamed or given another meaning.

mod analysis;
mod diff;
mod explain;
mod info;
mod latency;
mod money;
mod precision;
mod verdict;

use serde_json::{Map, Value, json};
use underspan_model::Problem;

pub use analysis::{analysis_json, verdict_json};
pub use diff::diff_json;
pub use explain::{explain_json, members_json};
pub use info::info_json;
use info::info_value;
use precision::precision_value;

/// An object as text with a line break at its end.
fn to_text(object: &Value) -> String {
    let mut text = serde_json::to_string_pretty(object).unwrap_or_default();
    text.push('\n');
    text
}

/// An object from pairs, in their order.
fn object<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
    Value::Object(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect::<Map<_, _>>())
}

/// `data_problems` as every contract prints it.
fn problems(problems: &[Problem]) -> Value {
    problems
        .iter()
        .map(|problem| {
            json!({
                "kind": problem.kind.name(),
                "severity": problem.kind.severity().as_str(),
                "source": problem.source,
                "count": problem.count,
                "example": problem.example,
                "meaning": problem.kind.meaning(),
            })
        })
        .collect()
}

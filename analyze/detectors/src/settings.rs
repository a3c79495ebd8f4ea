//! What the operator declared: model, GPU and engine settings.

use std::collections::BTreeMap;

use underspan_model::{StringId, Timeline};

/// Settings of vLLM and what SGLang calls them.
const SGLANG_NAMES: &[(&str, &str)] = &[
    ("cudagraph_capture_sizes", "cuda_graph_bs"),
    ("gpu_memory_utilization", "mem_fraction_static"),
    ("max_num_batched_tokens", "chunked_prefill_size"),
    ("max_num_seqs", "max_running_requests"),
];

/// Declared values by their path below `declared.`: `engine.max_num_seqs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// The declarations of a capture; of several for one path the last.
    pub fn of(timeline: &Timeline) -> Self {
        let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id));
        let values = timeline
            .dimensions
            .properties
            .iter()
            .filter_map(|property| {
                let key = text(property.key).strip_prefix("declared.")?;
                Some((key.to_owned(), text(property.value).to_owned()))
            })
            .collect();
        Self { values }
    }

    /// Whether nothing was declared.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The text at a path.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.values.get(path).map(String::as_str)
    }

    /// The number at a path, where it is one.
    pub fn number(&self, path: &str) -> Option<f64> {
        self.text(path)?.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The truth value at a path, where it is one.
    pub fn truth(&self, path: &str) -> Option<bool> {
        match self.text(path)? {
            "true" | "True" | "1" => Some(true),
            "false" | "False" | "0" => Some(false),
            _ => None,
        }
    }

    /// Whether any path, or any value, holds one of the words, ignoring case.
    pub fn mentions(&self, words: &[&str]) -> bool {
        self.values.iter().any(|(path, value)| {
            let (path, value) = (path.to_ascii_lowercase(), value.to_ascii_lowercase());
            let is_off = matches!(value.as_str(), "false" | "0" | "none" | "null" | "");
            words.iter().any(|word| value.contains(word) || path.contains(word) && !is_off)
        })
    }

    /// The paths below `prefix` with their values, in order.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values
            .range(prefix.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(prefix))
            .map(|(path, value)| (path.as_str(), value.as_str()))
    }

    /// Most requests that one step or execution may hold; `None` when not declared.
    pub fn batch_limit(&self) -> Option<f64> {
        ["engine.max_num_seqs", "engine.max_running_requests", "engine.max_batch_size"]
            .iter()
            .find_map(|path| self.number(path))
            .or_else(|| self.number("engine.static_batch"))
            .filter(|limit| *limit >= 1.0)
    }

    /// Most prompt tokens that one step may compute, with the name of the setting in its engine;
    /// `None` when not declared.
    pub fn token_budget(&self) -> Option<(&'static str, f64)> {
        let keys = [
            ("engine.max_num_batched_tokens", "max_num_batched_tokens"),
            ("engine.chunked_prefill_size", "chunked_prefill_size"),
            ("engine.max_prefill_tokens", "max_prefill_tokens"),
        ];
        keys.into_iter().find_map(|(path, name)| {
            let budget = self.number(path).filter(|budget| *budget >= 1.0)?;
            Some((name, budget))
        })
    }

    /// Tokens that the KV cache holds; `None` when not declared.
    pub fn kv_tokens(&self) -> Option<f64> {
        ["engine.kv_cache_tokens", "engine.max_total_tokens", "engine.max_total_num_tokens"]
            .iter()
            .find_map(|path| self.number(path))
            .filter(|tokens| *tokens >= 1.0)
    }

    /// What the declared engine calls the setting that vLLM calls `name`.
    pub fn spelled(&self, name: &'static str) -> &'static str {
        let engine = self.text("engine.name").unwrap_or_default().to_ascii_lowercase();
        let known = SGLANG_NAMES.iter().find(|(vllm, _)| *vllm == name);
        known.filter(|_| engine.contains("sglang")).map_or(name, |(_, sglang)| sglang)
    }

    /// From how many requests on the batcher starts a batch at once; `None` when not declared.
    pub fn preferred_batch(&self) -> Option<f64> {
        let sizes = self.below("engine.dynamic_batching.preferred_batch_size");
        sizes.filter_map(|(_, size)| size.parse().ok()).filter(|n: &f64| *n >= 1.0).reduce(f64::max)
    }

    /// How long the batcher may hold a request back for company; `None` when not declared.
    pub fn batch_delay_ns(&self) -> Option<f64> {
        let below = self.below("engine.");
        let delay = below.filter(|(path, _)| path.contains("delay") || path.contains("timeout"));
        delay
            .filter_map(|(path, value)| {
                let value: f64 = value.parse().ok()?;
                let unit = if path.ends_with("microseconds") || path.ends_with("_us") {
                    1e3
                } else if path.ends_with("_ms") || path.ends_with("milliseconds") {
                    1e6
                } else if path.ends_with("_s") || path.ends_with("seconds") {
                    1e9
                } else {
                    return None;
                };
                Some(value * unit)
            })
            .find(|delay| *delay > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::Property;

    fn settings(rows: &[(&str, &str)]) -> Settings {
        let mut timeline = Timeline::new();
        for (key, value) in rows {
            let key = timeline.strings.intern(key).raw();
            let value = timeline.strings.intern(value).raw();
            timeline.dimensions.properties.push(Property { source: 0, key, value });
        }
        Settings::of(&timeline)
    }

    #[test]
    fn settings_have_the_names_of_their_engine() {
        let vllm = settings(&[("declared.engine.name", "vllm")]);
        assert_eq!(vllm.spelled("max_num_seqs"), "max_num_seqs");
        let sglang = settings(&[
            ("declared.engine.name", "SGLang"),
            ("declared.engine.chunked_prefill_size", "4096"),
            ("declared.engine.max_total_tokens", "90000"),
        ]);
        assert_eq!(sglang.spelled("max_num_seqs"), "max_running_requests");
        assert_eq!(sglang.spelled("another"), "another");
        assert_eq!(sglang.token_budget(), Some(("chunked_prefill_size", 4096.0)));
        assert_eq!(sglang.kv_tokens(), Some(90_000.0));
    }

    #[test]
    fn values_are_found_by_path_and_word() {
        let found = settings(&[
            ("declared.engine.max_num_seqs", "64"),
            ("declared.engine.enforce_eager", "false"),
            ("declared.engine.kv_transfer_config.kv_connector", "NixlConnector"),
            ("declared.engine.dynamic_batching.max_queue_delay_microseconds", "50000"),
            ("declared.engine.dynamic_batching.preferred_batch_size.0", "4"),
            ("declared.engine.dynamic_batching.preferred_batch_size.1", "8"),
            ("resource.engine.max_num_seqs", "8"),
        ]);
        assert_eq!(found.batch_limit(), Some(64.0));
        assert_eq!(found.batch_delay_ns(), Some(50e6));
        assert_eq!(found.preferred_batch(), Some(8.0));
        assert_eq!(found.truth("engine.enforce_eager"), Some(false));
        assert!(found.mentions(&["nixl"]) && !found.mentions(&["enforce_eager"]));
        assert_eq!(found.text("engine.version"), None);
        assert!(settings(&[]).is_empty());
    }
}

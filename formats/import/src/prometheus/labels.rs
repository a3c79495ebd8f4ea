//! Labels: which are kept as they are, and how they name a track.

use std::collections::HashMap;

/// Labels whose values are words of a small vocabulary, numbers, or names of models.
#[rustfmt::skip]
const PLAIN: &[&str] = &[
    "engine", "engine_index", "engine_type", "model_name", "model", "version", "model_version",
    "reason", "stage", "source", "finished_reason", "finish_reason", "le", "gt", "quantile", "gpu",
    "index", "UUID", "uuid", "gpu_uuid", "device", "modelName", "GPU_I_ID", "GPU_I_PROFILE",
    "tp_rank", "pp_rank", "dp_rank", "moe_ep_rank", "rank", "rank_state", "category", "mode",
    "forward_overlap", "kind", "phase", "is_streaming", "method", "status", "status_code", "code",
    "priority", "sleep_state", "position", "err_code", "generation", "implementation", "major",
    "minor", "patchlevel", "type", "state", "component", "handler", "endpoint", "route", "xid",
    "pid", "process_name", "window_size_in_ms", "policy", "direction", "link", "nvlink", "role", "cache", "tier",
];

/// Longest value that is kept.
const VALUE_LIMIT_CHARS: usize = 160;
/// Most values that are numbered.
const PLACE_LIMIT: usize = 1_000_000;

/// Numbers that stand for values of labels that may name machines or people.
#[derive(Debug, Default)]
pub(super) struct Labels {
    numbers: HashMap<(String, String), usize>,
    /// The path that the last part of a path stands for.
    paths: HashMap<(String, String), String>,
    /// Labels whose values were replaced.
    pub(super) hidden: std::collections::BTreeSet<String>,
}

impl Labels {
    /// The name of a track: the metric and its labels in alphabetical order. `None` when there
    /// are too many distinct values.
    pub(super) fn track_name(
        &mut self,
        metric: &str,
        labels: &[(&str, std::borrow::Cow<'_, str>)],
    ) -> Option<String> {
        let mut sorted: Vec<(&str, &str)> =
            labels.iter().map(|(key, value)| (*key, value.as_ref())).collect();
        sorted.retain(|(_, value)| !value.is_empty());
        sorted.sort_unstable();
        if sorted.is_empty() {
            return Some(metric.to_owned());
        }
        let mut name = format!("{metric}{{");
        for (at, (key, value)) in sorted.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match plain_value(key, value) {
                Some(plain) if self.stands_for(key, plain, value) => {
                    name.push_str(&format!("{comma}{key}={plain:?}"));
                }
                Some(plain) => {
                    let number = self.number(key, value)?;
                    name.push_str(&format!("{comma}{key}=\"{plain}~{number}\""));
                }
                None => {
                    let number = self.number(key, value)?;
                    name.push_str(&format!("{comma}{key}=\"~{number}\""));
                }
            }
        }
        name.push('}');
        Some(name)
    }

    /// Whether the last part of a path is kept for this path and no other.
    fn stands_for(&mut self, key: &str, plain: &str, value: &str) -> bool {
        if plain.len() == value.len() {
            return true;
        }
        if self.paths.len() == PLACE_LIMIT {
            return false;
        }
        let known = self.paths.entry((key.to_owned(), plain.to_owned()));
        known.or_insert_with(|| value.to_owned()) == value
    }

    fn number(&mut self, key: &str, value: &str) -> Option<usize> {
        let next = self.numbers.len() + 1;
        if next > PLACE_LIMIT {
            return None;
        }
        self.hidden.insert(key.to_owned());
        let number = self.numbers.entry((key.to_owned(), value.to_owned())).or_insert(next);
        Some(*number)
    }
}

/// A label's value as it is kept; of paths the last part. `None` when it is not kept.
pub(super) fn plain_value<'a>(key: &str, value: &'a str) -> Option<&'a str> {
    let is_kept = PLAIN.contains(&key) && value.chars().nth(VALUE_LIMIT_CHARS).is_none();
    let is_route = matches!(key, "handler" | "endpoint" | "route");
    is_kept.then(|| match key {
        _ if is_route => value,
        "process_name" => value.rsplit(['/', '\\']).next().unwrap_or(value),
        _ => base_name(value),
    })
}

/// The last part of a path; anything else as it is. Names of models hold one slash.
pub(super) fn base_name(value: &str) -> &str {
    let is_path = value.starts_with(['/', '~', '.', '\\']) || value.contains(":\\");
    let last = value.rsplit(['/', '\\']).find(|part| !part.is_empty());
    if is_path { last.unwrap_or(value) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_places_are_numbered() {
        let mut labels = Labels::default();
        let name = labels.track_name(
            "up",
            &[("model_name", "a/b".into()), ("Hostname", "gpu-7".into()), ("engine", "0".into())],
        );
        let expected = r#"up{Hostname="~1",engine="0",model_name="a/b"}"#;
        assert_eq!(name.as_deref(), Some(expected));
        let other = labels.track_name("up", &[("Hostname", "gpu-8".into()), ("pod", "".into())]);
        assert_eq!(other.as_deref(), Some(r#"up{Hostname="~2"}"#));
        let path = labels.track_name("m", &[("model_name", "/home/someone/llama".into())]);
        assert_eq!(path.as_deref(), Some(r#"m{model_name="llama"}"#));
        let other = labels.track_name("m", &[("model_name", "/home/another/llama".into())]);
        assert_eq!(other.as_deref(), Some(r#"m{model_name="llama~3"}"#));
        let route = labels.track_name("m", &[("handler", "/v1/completions".into())]);
        assert_eq!(route.as_deref(), Some(r#"m{handler="/v1/completions"}"#));
        assert_eq!(labels.track_name("m", &[]).as_deref(), Some("m"));
    }
}

//! What metrics are: kind and unit, from their metadata and, where that is missing, their names.

use std::collections::HashMap;

use underspan_model::tables::CounterKind;

/// Endings of samples that belong to a family of another name.
const SUFFIXES: [&str; 7] = ["_total", "_bucket", "_sum", "_count", "_created", "_info", "_gsum"];

/// Units in the names of metrics, and how they are written.
const NAMED_UNITS: [(&str, &str); 18] = [
    ("_seconds", "s"),
    ("_secs", "s"),
    ("_milliseconds", "ms"),
    ("_ms", "ms"),
    ("_microseconds", "us"),
    ("_us", "us"),
    ("_nanoseconds", "ns"),
    ("_ns", "ns"),
    ("_bytes", "B"),
    ("_hz", "Hz"),
    ("_hertz", "Hz"),
    ("_celsius", "C"),
    ("_watts", "W"),
    ("_joules", "J"),
    ("_volts", "V"),
    ("_ratio", "1"),
    ("_perc", "1"),
    ("_tokens", "tokens"),
];

/// Most families whose metadata is kept.
const FAMILY_LIMIT: usize = 100_000;

#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: String,
}

/// The metadata of families.
#[derive(Debug, Default)]
pub(super) struct Families {
    by_name: HashMap<String, Family>,
}

impl Families {
    fn of(&mut self, family: &str) -> Option<&mut Family> {
        if !self.by_name.contains_key(family) {
            if self.by_name.len() == FAMILY_LIMIT {
                return None;
            }
            self.by_name.insert(family.to_owned(), Family::default());
        }
        self.by_name.get_mut(family)
    }

    pub(super) fn set_kind(&mut self, family: &str, kind: &str) {
        if let Some(family) = self.of(family) {
            kind.clone_into(&mut family.kind);
        }
    }

    pub(super) fn set_unit(&mut self, family: &str, unit: &str) {
        if let Some(family) = self.of(family).filter(|_| !unit.is_empty()) {
            short_unit(unit).clone_into(&mut family.unit);
        }
    }

    /// Takes the unit that dcgm-exporter writes into its help texts: `GPU temperature (in C).`
    pub(super) fn set_help(&mut self, family: &str, help: &str) {
        let unit = help.rsplit_once("(in ").and_then(|(_, rest)| rest.split_once(')'));
        if let Some((unit, _)) = unit.filter(|(unit, _)| unit.len() <= 8)
            && let Some(family) = self.of(family)
            && family.unit.is_empty()
        {
            unit.clone_into(&mut family.unit);
        }
    }

    fn family(&self, name: &str) -> Option<&Family> {
        let of_suffix =
            |suffix: &&str| name.strip_suffix(*suffix).and_then(|family| self.by_name.get(family));
        self.by_name.get(name).or_else(|| SUFFIXES.iter().find_map(of_suffix))
    }

    /// What the values of a sample of this name mean.
    pub(super) fn kind(&self, name: &str, has_label: impl Fn(&str) -> bool) -> CounterKind {
        let stated = self.family(name).map_or("", |family| family.kind.as_str());
        let ends = |suffix| name.ends_with(suffix);
        match stated {
            "counter" if !ends("_created") => CounterKind::Total,
            "histogram" | "summary" if ends("_sum") || ends("_count") => CounterKind::Total,
            "histogram" if ends("_bucket") => CounterKind::HistogramBucket,
            "summary" if has_label("quantile") => CounterKind::Quantile,
            "" | "untyped" | "unknown" if ends("_bucket") && has_label("le") => {
                CounterKind::HistogramBucket
            }
            "" | "untyped" | "unknown" if ends("_total") => CounterKind::Total,
            _ => CounterKind::Gauge,
        }
    }

    /// Whether a sample of this name carries its news in its labels.
    pub(super) fn is_info(&self, name: &str) -> bool {
        let stated = self.family(name).map_or("", |family| family.kind.as_str());
        stated == "info" || name.ends_with("_info") && matches!(stated, "" | "gauge" | "untyped")
    }

    /// The unit of a sample of this name, empty when it is not known. Counts have none.
    pub(super) fn unit(&self, name: &str, kind: CounterKind) -> &str {
        if kind == CounterKind::HistogramBucket || name.ends_with("_count") {
            return "";
        }
        let stated = self.family(name).map_or("", |family| family.unit.as_str());
        if !stated.is_empty() {
            return stated;
        }
        let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(*suffix)).unwrap_or(name);
        NAMED_UNITS.iter().find(|(end, _)| stem.ends_with(end)).map_or("", |(_, unit)| unit)
    }
}

fn short_unit(unit: &str) -> &str {
    let named = |(end, _): &&(&str, &str)| end.trim_start_matches('_') == unit;
    NAMED_UNITS.iter().find(named).map_or(unit, |(_, short)| short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_units_of_the_engines_metrics() {
        let mut families = Families::default();
        for (family, kind) in [
            ("vllm:num_requests_running", "gauge"),
            ("vllm:prompt_tokens", "counter"),
            ("vllm:time_to_first_token_seconds", "histogram"),
            ("nv_inference_queue_duration_us", "counter"),
            ("nv_inference_queue_summary_us", "summary"),
            ("DCGM_FI_DEV_GPU_TEMP", "gauge"),
        ] {
            families.set_kind(family, kind);
        }
        families.set_help("DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).");
        let found = |name: &str, label: &str| {
            let kind = families.kind(name, |l| l == label);
            (kind, families.unit(name, kind).to_owned())
        };
        let of = |kind, unit: &str| (kind, unit.to_owned());
        assert_eq!(found("vllm:num_requests_running", ""), of(CounterKind::Gauge, ""));
        assert_eq!(found("vllm:prompt_tokens_total", ""), of(CounterKind::Total, "tokens"));
        let ttft = "vllm:time_to_first_token_seconds";
        assert_eq!(found(&format!("{ttft}_bucket"), "le"), of(CounterKind::HistogramBucket, ""));
        assert_eq!(found(&format!("{ttft}_sum"), ""), of(CounterKind::Total, "s"));
        assert_eq!(found(&format!("{ttft}_count"), ""), of(CounterKind::Total, ""));
        assert_eq!(found("nv_inference_queue_duration_us", ""), of(CounterKind::Total, "us"));
        assert_eq!(
            found("nv_inference_queue_summary_us", "quantile"),
            of(CounterKind::Quantile, "us")
        );
        assert_eq!(found("DCGM_FI_DEV_GPU_TEMP", ""), of(CounterKind::Gauge, "C"));
        // Without metadata, names tell.
        assert_eq!(found("x_seconds_total", ""), of(CounterKind::Total, "s"));
        assert!(families.is_info("vllm:cache_config_info"));
        assert!(!families.is_info("vllm:prompt_tokens_total"));
    }
}

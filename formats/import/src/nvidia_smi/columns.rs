//! Fields of queries: what they are named, and which are not values over time.

/// Beginnings of the fields that `nvidia-smi --help-query-gpu` lists.
const FIELDS: &[&str] = &[
    "timestamp",
    "index",
    "uuid",
    "gpu_uuid",
    "name",
    "gpu_name",
    "pci.",
    "driver_version",
    "count",
    "serial",
    "gpu_serial",
    "gpu_bus_id",
    "vbios_version",
    "pstate",
    "utilization.",
    "clocks.",
    "clocks_throttle_reasons.",
    "clocks_event_reasons.",
    "clocks_event_reasons_counters.",
    "power.",
    "enforced.power.",
    "module.",
    "temperature.",
    "memory.",
    "fan.speed",
    "pcie.link.",
    "ecc.",
    "encoder.stats.",
    "compute_mode",
    "compute_cap",
    "mig.mode.",
    "persistence_mode",
    "accounting.",
    "display_",
    "pid",
    "process_name",
    "used_gpu_memory",
    "gpu_util",
    "mem_util",
    "max_memory_usage",
    "retired_pages.",
    "remapped_rows.",
    "fabric.",
    "gom.",
    "inforom.",
];

/// Fields that say what a device is; the first value of each is kept.
const FACTS: &[&str] = &[
    "driver_version",
    "vbios_version",
    "compute_mode",
    "mig.mode.current",
    "persistence_mode",
    "ecc.mode.current",
    "pci.bus_id",
    "gpu_bus_id",
    "compute_cap",
    "power.limit",
    "power.max_limit",
    "enforced.power.limit",
    "clocks.max.sm",
    "clocks.max.memory",
    "clocks.applications.graphics",
    "clocks.applications.memory",
    "memory.total",
];

/// A field of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// The name, in today's spelling.
    pub(super) name: String,
    pub(super) unit: String,
}

/// The fields of a header line.
pub(super) fn columns(header: &str) -> Vec<Column> {
    let column = |field: &str| {
        let field = field.trim();
        let (name, unit) = match field.split_once('[') {
            Some((name, unit)) => (name.trim(), unit.trim_end_matches(']').trim()),
            None => (field, ""),
        };
        let name = match name.strip_prefix("clocks_throttle_reasons") {
            Some(rest) => format!("clocks_event_reasons{rest}"),
            None => name.to_owned(),
        };
        Column { name, unit: unit.to_owned() }
    };
    header.split(',').map(column).collect()
}

/// Whether a line is a header: words of the list of fields, and hardly any other.
pub(super) fn is_header(line: &str) -> bool {
    let columns = columns(line);
    let is_name = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        !name.is_empty()
            && name.chars().all(is_part)
            && name.starts_with(|c: char| c.is_ascii_lowercase())
    };
    let is_field = |name: &str| {
        FIELDS.iter().any(|field| name == *field || field.ends_with('.') && name.starts_with(field))
    };
    let n_known = columns.iter().filter(|column| is_field(&column.name)).count();
    columns.iter().all(|column| is_name(&column.name))
        && n_known * 2 > columns.len()
        && (columns.len() > 1 || !columns[0].unit.is_empty())
}

pub(super) fn is_fact(name: &str) -> bool {
    FACTS.contains(&name)
}

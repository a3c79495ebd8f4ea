//! Sampled GPU metrics as counters.
//!
//! `GPU_METRICS(timestamp, typeId, metricId, value)`; the low byte of `typeId` is the GPU's number
//! in the machine. `TARGET_INFO_GPU_METRICS(typeId, …, metricId, metricName)` names the metric,
//! with its unit in brackets at the end: `SMs Active [Throughput %]`.

use hashbrown::HashMap;
use rusqlite::types::ValueRef;
use underspan_model::tables::Counter;
use underspan_model::{NONE_U32, ProblemKind, ProcessId, StringId};

use super::context::Context;
use super::database::Database;
use super::rows::for_each_row;
use crate::ImportError;

const SAMPLES: &str = "GPU_METRICS";
const NAMES: &str = "TARGET_INFO_GPU_METRICS";

/// Tables read here.
pub(super) const TABLES: &[&str] = &[SAMPLES, NAMES];

/// Reads all samples.
pub(super) fn read(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    let names = names(database, context)?;
    let mut tracks = HashMap::<(i64, i64), u32, foldhash::fast::FixedState>::default();
    let columns = ["timestamp", "typeId", "metricId", "value"];
    context.timeline.counters.reserve(database.rows_to_reserve(SAMPLES));
    for_each_row(database, context, SAMPLES, &columns, |context, cells| {
        let time_ns = cells.integer(0)?.ok_or(ProblemKind::MissingTimestamp)?;
        let kind = cells.integer(1)?.unwrap_or(0);
        let metric = cells.integer(2)?.ok_or(ProblemKind::MalformedEvent)?;
        let value = match cells.value(3) {
            ValueRef::Integer(value) => value as f64,
            ValueRef::Real(value) if value.is_finite() => value,
            ValueRef::Real(_) => return Err(ProblemKind::NonFiniteNumber),
            _ => return Err(ProblemKind::MalformedEvent),
        };
        let track = *tracks.entry((kind, metric)).or_insert_with(|| {
            let (name, unit) = names.get(&(kind, metric)).copied().unwrap_or_else(|| {
                context.note(ProblemKind::UnresolvedString);
                let name = context.timeline.strings.intern(&format!("<metric {metric}>"));
                (name, StringId::NONE)
            });
            let dimensions = &mut context.timeline.dimensions;
            let device = context.identity.sampled_device(dimensions, (kind & 0xFF) as u32);
            dimensions.counter_track_id(name, unit, device, ProcessId::NONE).raw()
        });
        context.timeline.counters.push(Counter { time_ns, track, value });
        Ok(())
    })?;
    debug_assert!(!tracks.values().any(|track| *track == NONE_U32));
    Ok(())
}

type Names = HashMap<(i64, i64), (StringId, StringId)>;

fn names(database: &Database, context: &mut Context<'_>) -> Result<Names, ImportError> {
    let mut names = Names::new();
    let columns = ["typeId", "metricId", "metricName"];
    for_each_row(database, context, NAMES, &columns, |context, cells| {
        let metric = cells.integer(1)?.ok_or(ProblemKind::MalformedEvent)?;
        let Some(name) = cells.name(2, context)? else { return Ok(()) };
        let text = context.timeline.strings.resolve_or_empty(name.id).to_owned();
        let (text, unit) = split_unit(&text);
        let strings = &mut context.timeline.strings;
        let name = strings.intern(text);
        let unit = unit.map_or(StringId::NONE, |unit| strings.intern(unit));
        names.insert((cells.integer(0)?.unwrap_or(0), metric), (name, unit));
        Ok(())
    })?;
    Ok(names)
}

/// `SMs Active [Throughput %]` is `SMs Active` in `Throughput %`.
fn split_unit(text: &str) -> (&str, Option<&str>) {
    let parts = text.strip_suffix(']').and_then(|text| text.rsplit_once(" ["));
    match parts {
        Some((name, unit)) if !name.is_empty() => (name, Some(unit)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::split_unit;

    #[test]
    fn the_unit_is_what_stands_in_brackets_at_the_end() {
        assert_eq!(split_unit("SMs Active [Throughput %]"), ("SMs Active", Some("Throughput %")));
        assert_eq!(split_unit("GPU Active"), ("GPU Active", None));
        assert_eq!(split_unit("odd]"), ("odd]", None));
        assert_eq!(split_unit(" [x]"), (" [x]", None));
    }
}

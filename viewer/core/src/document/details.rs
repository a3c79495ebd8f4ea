//! Everything that is known about one event, as pairs of name and value.

use underspan_model::tables::{GraphNode, MemcpyKind, MemoryKind, Table, TableKind};
use underspan_model::{
    ColumnRef, NONE_I64, NONE_U32, NONE_U64, Reference, ShapeId, StreamId, StringId, Timeline,
};

use super::Document;
use crate::query::Cancel;
use crate::timeline::{TimeRange, bytes_text, count_text, duration_text, moment_text};

/// Name of the fact that says which part of the model an event belongs to.
pub(crate) const LAYER: &str = "layer";

/// One line of the details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Fact {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// The facts about one row of a table that lies in `range`: its columns, in words, and for kernels
/// what the name and launch say. Empty when there is no such row.
///
/// # Errors
/// In words, when the file is damaged.
pub(crate) fn event_facts(
    document: &Document,
    kind: TableKind,
    row: u64,
    range: TimeRange,
    cancel: &Cancel,
) -> Result<Vec<Fact>, String> {
    let blocks = document.events.scan(kind, range, &[], cancel, |block| {
        let at = usize::try_from(row.checked_sub(block.first_row)?).ok()?;
        let is_here = block.rows().contains(&at);
        is_here.then(|| facts_of(document, block.table, at))
    })?;
    Ok(blocks.into_iter().flatten().next().unwrap_or_default())
}

fn facts_of(document: &Document, table: &dyn Table, row: usize) -> Vec<Fact> {
    let timeline = document.timeline();
    let mut facts = Vec::new();
    for (spec, column) in table.specs().iter().zip(table.columns()) {
        if spec.name == "shape" && table.kind() == TableKind::Kernel {
            if let ColumnRef::U32(shapes) = column
                && let Some(shape) = shapes.get(row)
            {
                kernel_facts(document, *shape, &mut facts);
            }
            continue;
        }
        let Some(value) =
            value_text(timeline, table.kind(), spec.name, spec.reference, column, row)
        else {
            continue;
        };
        facts.push(Fact::new(title_of(spec.name), value));
    }
    graph_node_facts(document, table, row, &mut facts);
    facts
}

/// Where a kernel (copy, fill) that a graph replays was captured.
fn graph_node_facts(document: &Document, table: &dyn Table, row: usize, facts: &mut Vec<Fact>) {
    let column = |name: &str| {
        let at = table.specs().iter().position(|spec| spec.name == name)?;
        table.columns().get(at).copied()
    };
    let (Some(ColumnRef::U64(nodes)), Some(ColumnRef::U32(streams))) =
        (column("graph_node_id"), column("stream"))
    else {
        return;
    };
    let Some((id, stream)) = nodes.get(row).zip(streams.get(row)) else { return };
    let timeline = document.timeline();
    let process = timeline.dimensions.process_of_stream(StreamId::from_raw(*stream)).raw();
    let mut nodes = timeline.dimensions.graph_nodes.iter();
    let is_it = |of: &GraphNode| of.graph_node_id == *id && of.process == process;
    if *id == NONE_U64 {
        return;
    }
    let Some(node) = nodes.find(is_it) else { return };
    let layer = timeline.strings.resolve(StringId::from_raw(node.context));
    if let Some(layer) = layer.filter(|layer| !layer.is_empty()) {
        facts.push(Fact::new(LAYER, layer));
    }
    if node.captured_ns != NONE_I64 {
        let at = moment_text(node.captured_ns, document.bounds().start_ns());
        facts.push(Fact::new("captured at", at));
    }
    if node.step_id != NONE_U64 {
        facts.push(Fact::new("captured in step", count_text(node.step_id)));
    }
}

/// A column's name as a person says it: without the unit, which the value carries.
fn title_of(column: &str) -> String {
    let name = column.strip_suffix("_ns").unwrap_or(column);
    name.replace('_', " ")
}

fn value_text(
    timeline: &Timeline,
    kind: TableKind,
    name: &str,
    reference: Reference,
    column: ColumnRef<'_>,
    row: usize,
) -> Option<String> {
    match column {
        ColumnRef::U8(values) => code_text(kind, name, *values.get(row)?),
        ColumnRef::U32(values) => {
            let value = *values.get(row)?;
            (value != NONE_U32).then(|| reference_text(timeline, reference, value))
        }
        ColumnRef::U64(values) => {
            let value = *values.get(row)?;
            if value == NONE_U64 {
                return None;
            }
            Some(match name {
                name if name.ends_with("_ns") => duration_text(value),
                "bytes" => bytes_text(value),
                name if name.contains("span_id") || name.contains("trace_id") => {
                    if value == 0 {
                        return None;
                    }
                    format!("{value:016x}")
                }
                _ => count_text(value),
            })
        }
        ColumnRef::I64(values) => Some(match name {
            "start_ns" => format!("{} ns", values.get(row)?),
            _ => values.get(row)?.to_string(),
        }),
        ColumnRef::F64(values) => Some(values.get(row)?.to_string()),
    }
}

fn reference_text(timeline: &Timeline, reference: Reference, value: u32) -> String {
    let dimensions = &timeline.dimensions;
    let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned();
    match reference {
        Reference::String => text(value),
        Reference::Stream => match dimensions.streams.get(value as usize) {
            Some(stream) => {
                let device = underspan_model::DeviceId::from_raw(stream.device);
                let number = match stream.stream_id {
                    NONE_U64 => "unknown".to_owned(),
                    number => number.to_string(),
                };
                format!("{number} on GPU {}", dimensions.device_label(device))
            }
            None => "unknown".to_owned(),
        },
        Reference::Thread => match dimensions.threads.get(value as usize) {
            Some(thread) if thread.name != NONE_U32 => {
                format!("{} ({})", text(thread.name), thread.tid)
            }
            Some(thread) => thread.tid.to_string(),
            None => "unknown".to_owned(),
        },
        Reference::Process => match dimensions.processes.get(value as usize) {
            Some(process) if process.name != NONE_U32 => {
                format!("{} ({})", text(process.name), process.pid)
            }
            Some(process) => process.pid.to_string(),
            None => "unknown".to_owned(),
        },
        Reference::Source => match dimensions.sources.get(value as usize) {
            Some(source) => text(source.name),
            None => "unknown".to_owned(),
        },
        _ => value.to_string(),
    }
}

fn code_text(kind: TableKind, name: &str, code: u8) -> Option<String> {
    use underspan_model::tables as t;
    let text = match (kind, name) {
        (TableKind::Memcpy, "kind") => MemcpyKind::from_code(code).as_str(),
        (TableKind::Memcpy, "source_memory" | "destination_memory")
        | (TableKind::Memset, "memory") => MemoryKind::from_code(code).as_str(),
        (TableKind::Sync, "kind") => t::SyncKind::from_code(code).as_str(),
        (TableKind::ApiCall, "domain") => t::ApiDomain::from_code(code).as_str(),
        (TableKind::Annotation, "kind") => t::AnnotationKind::from_code(code).as_str(),
        (TableKind::CpuOp, "kind") => t::CpuOpKind::from_code(code).as_str(),
        (TableKind::Span, "kind") => t::SpanKind::from_code(code).as_str(),
        (TableKind::Span, "status") => t::SpanStatus::from_code(code).as_str(),
        (TableKind::Step, "kind") => t::StepKind::from_code(code).as_str(),
        (TableKind::Step, "rung") => t::Rung::from_code(code).as_str(),
        _ => return Some(code.to_string()),
    };
    (code != 0).then(|| text.to_owned())
}

fn kernel_facts(document: &Document, shape: u32, facts: &mut Vec<Fact>) {
    let timeline = document.timeline();
    let class = document.labels.class(shape);
    let Some(launch) = timeline.shapes.resolve(ShapeId::from_raw(shape)) else { return };
    facts.push(Fact::new("kernel", timeline.strings.resolve_or_empty(launch.name)));
    let known = |dimension: [u32; 3]| dimension.iter().all(|n| *n != NONE_U32 && *n > 0);
    let text = |d: [u32; 3]| format!("{} × {} × {}", d[0], d[1], d[2]);
    if known(launch.grid) {
        facts.push(Fact::new("grid", text(launch.grid)));
    }
    if known(launch.block) {
        facts.push(Fact::new("block", text(launch.block)));
    }
    for (name, value) in [
        ("static shared memory", launch.static_shared_bytes),
        ("dynamic shared memory", launch.dynamic_shared_bytes),
    ] {
        if value != NONE_U32 && value > 0 {
            facts.push(Fact::new(name, bytes_text(u64::from(value))));
        }
    }
    if launch.registers_per_thread != NONE_U32 {
        facts.push(Fact::new("registers per thread", launch.registers_per_thread.to_string()));
    }
    facts.push(Fact::new("role", with_why(class.role.value.as_str(), &class.role)));
    let dtype = &class.compute_dtype;
    facts.push(Fact::new("computes in", with_why(dtype.value.as_str(), dtype)));
    let core = &class.tensor_core;
    facts.push(Fact::new("tensor cores", with_why(core.value.as_str(), core)));
}

fn with_why<T: Copy>(value: &str, fact: &underspan_classifier::Fact<T>) -> String {
    format!("{value} — {}", fact.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::Kernel;

    #[test]
    fn a_kernel_of_a_replay_tells_of_its_capture() {
        let mut timeline = Timeline::new();
        timeline.dimensions.streams.push(Default::default());
        let process = timeline.dimensions.process_of_stream(StreamId::from_raw(0)).raw();
        let context = timeline.strings.intern("layers.3 > attention").raw();
        for (graph_node_id, context) in [(5, context), (6, NONE_U32)] {
            let node = GraphNode { process, graph_node_id, context, ..GraphNode::default() };
            timeline.dimensions.graph_nodes.push(node);
        }
        for (at, graph_node_id) in [5, 6, 7, NONE_U64].into_iter().enumerate() {
            let start_ns = at as i64 * 100;
            let kernel =
                Kernel { start_ns, duration_ns: 50, stream: 0, graph_node_id, ..Kernel::default() };
            timeline.kernels.push(kernel);
        }
        let document = Document::in_memory(Vec::new(), timeline).unwrap();
        let layer_of = |row: u64| {
            let range = TimeRange::from_ns(row as i64 * 100, row as i64 * 100 + 50);
            let facts =
                event_facts(&document, TableKind::Kernel, row, range, &Cancel::default()).unwrap();
            facts.into_iter().find(|fact| fact.name == LAYER).map(|fact| fact.value)
        };
        assert_eq!(layer_of(0).as_deref(), Some("layers.3 > attention"));
        assert_eq!([1, 2, 3].map(layer_of), [None, None, None]);
    }
}

//! One capture in memory, and how captures are put together.

use crate::column::{ColumnMut, Reference};
use crate::tables::{
    AnnotationTable, ApiCallTable, CounterTable, CpuOpTable, GraphLaunchTable, KernelTable,
    MemcpyTable, MemsetTable, OverheadTable, RequestIdentityTable, SpanAttributeTable,
    SpanEventTable, SpanLinkTable, SpanTable, StepMemberTable, StepTable, SyncTable, Table,
    TableKind,
};
use crate::{
    CaptureInfo, Dimensions, NONE_I64, NONE_U32, ProblemLedger, ShapeTable, StringId, StringTable,
    give_up_if_cancelled,
};

/// One capture in memory.
///
/// Rows of every table with times are in order of start once [`Timeline::sort`] ran; importers
/// and the file reader hand out sorted timelines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// What the capture as a whole is.
    pub info: CaptureInfo,
    /// Names.
    pub strings: StringTable,
    /// Launch shapes.
    pub shapes: ShapeTable,
    /// Processes, devices, streams, threads and other small lists.
    pub dimensions: Dimensions,
    /// Kernels.
    pub kernels: KernelTable,
    /// Copies.
    pub memcpys: MemcpyTable,
    /// Fills.
    pub memsets: MemsetTable,
    /// API calls.
    pub api_calls: ApiCallTable,
    /// Waits.
    pub syncs: SyncTable,
    /// Graph launches traced as a whole.
    pub graph_launches: GraphLaunchTable,
    /// The profiler's own cost.
    pub overheads: OverheadTable,
    /// Annotations and NVTX ranges.
    pub annotations: AnnotationTable,
    /// Operators and Python functions.
    pub cpu_ops: CpuOpTable,
    /// Request spans.
    pub spans: SpanTable,
    /// Attributes of spans and of their events.
    pub span_attributes: SpanAttributeTable,
    /// Points in time within spans.
    pub span_events: SpanEventTable,
    /// Links from spans to other spans.
    pub span_links: SpanLinkTable,
    /// Engine steps.
    pub steps: StepTable,
    /// Requests in steps.
    pub step_members: StepMemberTable,
    /// Names of requests.
    pub request_identities: RequestIdentityTable,
    /// Counter samples.
    pub counters: CounterTable,
    /// What was lost, repaired or doubted.
    pub problems: ProblemLedger,
}

macro_rules! table_fields {
    ($($kind:ident => $($field:ident).+;)*) => {
        impl Timeline {
            /// Every table, dimension lists first.
            pub fn tables(&self) -> Vec<&dyn Table> {
                vec![$(&self.$($field).+),*]
            }

            /// Every table, dimension lists first.
            pub fn tables_mut(&mut self) -> Vec<&mut dyn Table> {
                vec![$(&mut self.$($field).+),*]
            }

            /// The table of one kind.
            pub fn table(&self, kind: TableKind) -> &dyn Table {
                match kind { $(TableKind::$kind => &self.$($field).+,)* }
            }

            /// The table of one kind.
            pub fn table_mut(&mut self, kind: TableKind) -> &mut dyn Table {
                match kind { $(TableKind::$kind => &mut self.$($field).+,)* }
            }

            fn append_rows(&mut self, other: &mut Self) {
                $(self.$($field).+.append(&mut other.$($field).+);)*
            }
        }
    };
}

table_fields! {
    Source => dimensions.sources;
    Property => dimensions.properties;
    Process => dimensions.processes;
    Device => dimensions.devices;
    Stream => dimensions.streams;
    Thread => dimensions.threads;
    CounterTrack => dimensions.counter_tracks;
    ClockAnchor => dimensions.clock_anchors;
    GraphNode => dimensions.graph_nodes;
    Kernel => kernels;
    Memcpy => memcpys;
    Memset => memsets;
    ApiCall => api_calls;
    Sync => syncs;
    GraphLaunch => graph_launches;
    Overhead => overheads;
    Annotation => annotations;
    CpuOp => cpu_ops;
    Span => spans;
    SpanAttribute => span_attributes;
    SpanEvent => span_events;
    SpanLink => span_links;
    Step => steps;
    StepMember => step_members;
    RequestIdentity => request_identities;
    Counter => counters;
}

impl Timeline {
    /// An empty timeline.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows over all tables that are not dimension lists.
    pub fn event_count(&self) -> u64 {
        let is_dimension = |table: &&dyn Table| table.kind().code() < TableKind::Source.code();
        self.tables().iter().filter(|t| is_dimension(t)).map(|t| t.len() as u64).sum()
    }

    /// The first span number that no span of this capture has.
    pub fn next_span_number(&self) -> u32 {
        let used = self.spans.id.iter().filter(|id| **id != NONE_U32).max();
        used.map_or(0, |last| last.saturating_add(1))
    }

    /// Puts the rows of every table with times in order of start. Rows that start together keep
    /// their order. Returns how many rows of each table started before the row in front of them.
    pub fn sort(&mut self) -> Vec<(TableKind, u64)> {
        let mut moved = Vec::new();
        for table in self.tables_mut() {
            give_up_if_cancelled();
            let Some(starts) = table.start_column() else { continue };
            let inversions = starts.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
            if inversions == 0 {
                continue;
            }
            let mut order: Vec<u32> = (0..starts.len() as u32).collect();
            order.sort_by_key(|&at| starts[at as usize]);
            table.permute(&order);
            moved.push((table.kind(), inversions));
        }
        moved
    }

    /// Moves every time of the capture by `delta_ns`, as when its clock is exchanged for another.
    /// Times at the ends of the range saturate.
    pub fn shift(&mut self, delta_ns: i64) {
        for table in self.tables_mut() {
            if table.start_column().is_none() {
                continue;
            }
            let specs = table.specs();
            for (spec, column) in specs.iter().zip(table.columns_mut()) {
                if let (ColumnMut::I64(times), "start_ns" | "time_ns") = (column, spec.name) {
                    times.iter_mut().for_each(|time| *time = time.saturating_add(delta_ns));
                }
            }
        }
        let readings = &mut self.dimensions.clock_anchors.activity_ns;
        let captured = &mut self.dimensions.graph_nodes.captured_ns;
        for time_ns in readings.iter_mut().chain(captured).filter(|time_ns| **time_ns != NONE_I64) {
            *time_ns = time_ns.saturating_add(delta_ns);
        }
    }

    /// Joins another capture to this one: its names, shapes and dimensions are renumbered, its
    /// rows added at the end of each table. Call [`Timeline::sort`] when all parts are in.
    ///
    /// Sources, and with them processes and devices, stay apart even when they carry the same
    /// numbers. Clocks are not aligned. Answers how ids were renumbered, for rows of the other
    /// capture that were not in it.
    pub fn append(&mut self, mut other: Self) -> Renumbering {
        let renumbering = Renumbering::of(self, &other);
        for table in other.tables_mut() {
            renumbering.apply(table);
        }
        self.append_rows(&mut other);
        self.dimensions.rebuild_lookups();
        self.problems.merge(other.problems);
        self.info.join(&other.info);
        renumbering
    }

    /// Moves the rows of one table of `other` to the end of this capture's, as they are.
    pub fn take_rows(&mut self, kind: TableKind, other: &mut Self) {
        let from = other.table_mut(kind).columns_mut();
        for (to, from) in self.table_mut(kind).columns_mut().into_iter().zip(from) {
            match (to, from) {
                (ColumnMut::U8(to), ColumnMut::U8(from)) => to.append(from),
                (ColumnMut::U32(to), ColumnMut::U32(from)) => to.append(from),
                (ColumnMut::U64(to), ColumnMut::U64(from)) => to.append(from),
                (ColumnMut::I64(to), ColumnMut::I64(from)) => to.append(from),
                (ColumnMut::F64(to), ColumnMut::F64(from)) => to.append(from),
                // The same table has the same columns.
                _ => {}
            }
        }
    }
}

/// What ids of a capture became when it was joined to another: see [`Timeline::append`].
#[derive(Debug, Clone)]
pub struct Renumbering {
    strings: Vec<u32>,
    shapes: Vec<u32>,
    processes: u32,
    devices: u32,
    streams: u32,
    threads: u32,
    counter_tracks: u32,
    sources: u32,
    spans: u32,
}

impl Renumbering {
    fn of(target: &mut Timeline, other: &Timeline) -> Self {
        let strings: Vec<u32> =
            other.strings.iter().map(|text| target.strings.intern(text).raw()).collect();
        let renamed =
            |id: StringId| StringId::from_raw(strings.get(id.index()).copied().unwrap_or(NONE_U32));
        let shapes = other
            .shapes
            .as_slice()
            .iter()
            .map(|shape| {
                let shape = crate::KernelShape { name: renamed(shape.name), ..*shape };
                target.shapes.intern(shape).raw()
            })
            .collect();
        let dimensions = &target.dimensions;
        Self {
            shapes,
            processes: dimensions.processes.len() as u32,
            devices: dimensions.devices.len() as u32,
            streams: dimensions.streams.len() as u32,
            threads: dimensions.threads.len() as u32,
            counter_tracks: dimensions.counter_tracks.len() as u32,
            sources: dimensions.sources.len() as u32,
            spans: target.next_span_number(),
            strings,
        }
    }

    /// Renumbers what rows of a table refer to.
    pub fn apply(&self, table: &mut dyn Table) {
        let specs = table.specs();
        for (spec, column) in specs.iter().zip(table.columns_mut()) {
            let ColumnMut::U32(values) = column else { continue };
            let base = match spec.reference {
                Reference::Nothing => continue,
                Reference::String => {
                    renumber(values, &self.strings);
                    continue;
                }
                Reference::Shape => {
                    renumber(values, &self.shapes);
                    continue;
                }
                Reference::Process => self.processes,
                Reference::Device => self.devices,
                Reference::Stream => self.streams,
                Reference::Thread => self.threads,
                Reference::CounterTrack => self.counter_tracks,
                Reference::Source => self.sources,
                Reference::Span => self.spans,
            };
            for value in values.iter_mut().filter(|value| **value != NONE_U32) {
                *value = value.checked_add(base).unwrap_or(NONE_U32);
            }
        }
    }
}

fn renumber(values: &mut [u32], map: &[u32]) {
    for value in values {
        *value = map.get(*value as usize).copied().unwrap_or(NONE_U32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{ClockAnchor, GraphNode, Kernel, Source, Span, SpanAttribute};
    use crate::{KernelShape, SourceId};

    fn one_kernel(name: &str, pid: i64, start_ns: i64) -> Timeline {
        let mut t = Timeline::new();
        let source_name = t.strings.intern(&format!("{name}.json")).raw();
        let source = t.dimensions.add_source(Source { name: source_name, ..Source::default() });
        let process = t.dimensions.process_id(source, pid);
        let device = t.dimensions.device_id(source, 0);
        let stream = t.dimensions.stream_id(process, device, 1, 7);
        let name = t.strings.intern(name);
        let shape = t.shapes.intern(KernelShape::named(name));
        t.kernels.push(Kernel {
            start_ns,
            duration_ns: 5,
            stream: stream.raw(),
            shape: shape.raw(),
            ..Kernel::default()
        });
        t
    }

    #[test]
    fn appending_renumbers_every_reference() {
        let mut a = one_kernel("gemm", 1, 100);
        a.append(one_kernel("softmax", 1, 50));
        a.sort();
        let names: Vec<_> = a
            .kernels
            .iter()
            .map(|k| {
                let shape = a.shapes.resolve(crate::ShapeId::from_raw(k.shape)).unwrap();
                let process = a.dimensions.process_of_stream(crate::StreamId::from_raw(k.stream));
                let source = a.dimensions.processes.get(process.index()).unwrap().source;
                let source = a.dimensions.sources.get(source as usize).unwrap();
                (
                    a.strings.resolve_or_empty(shape.name),
                    a.strings.resolve_or_empty(StringId::from_raw(source.name)),
                )
            })
            .collect();
        assert_eq!(names, [("softmax", "softmax.json"), ("gemm", "gemm.json")]);
        // Two files, so two processes and two devices, whatever their numbers.
        assert_eq!(a.dimensions.processes.len(), 2);
        assert_eq!(a.dimensions.device_label(crate::DeviceId::from_raw(1)), "1:0");
        assert_eq!(a.dimensions.process_id(SourceId::from_raw(1), 1).raw(), 1);
    }

    #[test]
    fn appending_keeps_rows_with_their_span() {
        let with_span = |name: &str, id: u32| {
            let mut t = Timeline::new();
            let key = t.strings.intern("key");
            let value = t.strings.intern(name);
            t.spans.push(Span { name: value.raw(), id, ..Span::default() });
            t.span_attributes.push(SpanAttribute::of_text(id, key, value));
            t
        };
        let mut all = with_span("a", 0);
        all.append(with_span("b", 4));
        all.append(with_span("c", 0));
        let text = |raw: u32| all.strings.resolve_or_empty(StringId::from_raw(raw)).to_owned();
        for attribute in all.span_attributes.iter() {
            let owners: Vec<_> = all.spans.iter().filter(|s| s.id == attribute.span).collect();
            assert_eq!(owners.len(), 1);
            assert_eq!(text(owners[0].name), text(attribute.text));
        }
        assert_eq!(all.spans.id, [0, 5, 6]);
    }

    #[test]
    fn shifting_moves_every_time_and_no_length() {
        let mut t = one_kernel("gemm", 1, 100);
        t.counters.push(crate::tables::Counter { time_ns: 7, ..Default::default() });
        t.dimensions.clock_anchors.push(Default::default());
        let unread = ClockAnchor { activity_ns: NONE_I64, ..ClockAnchor::default() };
        t.dimensions.clock_anchors.push(unread);
        t.dimensions.graph_nodes.push(GraphNode { captured_ns: 7, ..GraphNode::default() });
        t.dimensions.graph_nodes.push(GraphNode::default());
        t.shift(1_000);
        assert_eq!(t.kernels.get(0).map(|k| (k.start_ns, k.duration_ns)), Some((1_100, 5)));
        assert_eq!(t.counters.time_ns, [1_007]);
        assert_eq!(t.dimensions.clock_anchors.activity_ns, [1_000, NONE_I64]);
        assert_eq!(t.dimensions.graph_nodes.captured_ns, [1_007, NONE_I64]);
        // Every table with times is moved by its first time column's name.
        for table in t.tables().into_iter().filter(|table| table.start_column().is_some()) {
            let first = table.specs()[0].name;
            assert!(matches!(first, "start_ns" | "time_ns"), "{:?}: {first}", table.kind());
        }
    }

    #[test]
    fn sorting_is_stable_and_says_what_moved() {
        let mut t = Timeline::new();
        for (start_ns, duration_ns) in [(5, 1), (3, 2), (3, 3)] {
            t.kernels.push(Kernel { start_ns, duration_ns, ..Kernel::default() });
        }
        assert_eq!(t.sort(), [(TableKind::Kernel, 1)]);
        assert_eq!(t.kernels.duration_ns, [2, 3, 1]);
        assert_eq!(t.sort(), []);
        assert_eq!(t.kernels.time_bounds(), Some((3, 6)));
        assert_eq!(t.event_count(), 3);
    }
}

//! From events to rows: what each category means, and what is wrong with an event.

use underspan_model::tables::{
    Annotation, AnnotationKind, ApiCall, ApiDomain, Counter, CpuOp, CpuOpKind, Kernel, Memcpy,
    MemcpyKind, Memset, Overhead, Sync, TableKind,
};
use underspan_model::{KernelShape, NONE_U32, NONE_U64, ProblemKind, StringId};

use super::category::Category;
use super::counters::{memory_counters, named_counters};
use super::event::{Dim3, Event, Id};
use super::labels::{memcpy_kind, memory_kinds, memset_memory, sync_kind};
use super::lane::{Lane, StreamKey};
use super::number::{Time, Unusable, Whole};
use super::part::{CensusClass, Label, MarkKind, Part, Place, RangeMark, WideCorrelation};
use super::text::plain;

/// Why an event does not become a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) ProblemKind);

impl From<Unusable> for Refused {
    fn from(unusable: Unusable) -> Self {
        Self(match unusable {
            Unusable::NotFinite => ProblemKind::NonFiniteNumber,
            Unusable::OutOfRange => ProblemKind::NumberOutOfRange,
            Unusable::WrongType => ProblemKind::MalformedEvent,
        })
    }
}

pub(super) type Accepted<T> = Result<T, Refused>;

/// Writes events into a part.
pub(super) struct RowWriter<'w> {
    pub(super) lane: &'w mut Lane,
    pub(super) part: &'w mut Part,
}

impl RowWriter<'_> {
    /// Writes one event; `offset` is where it stands in the content.
    #[inline]
    pub(super) fn write(&mut self, event: &Event<'_>, offset: u64) {
        self.part.n_events += 1;
        if event.n_duplicate_keys + event.n_unusable_fields > 0 {
            self.tally(ProblemKind::DuplicateKey, event.n_duplicate_keys, event, offset);
            self.tally(ProblemKind::UnusableField, event.n_unusable_fields, event, offset);
        }
        let outcome = if event.is_malformed {
            Err(Refused(ProblemKind::MalformedEvent))
        } else if event.phase == b'X' {
            self.complete(event, offset).map(|_| ())
        } else {
            self.other_phase(event, offset)
        };
        if let Err(Refused(kind)) = outcome {
            self.tally(kind, 1, event, offset);
        }
    }

    pub(super) fn tally(&mut self, kind: ProblemKind, count: u32, event: &Event<'_>, offset: u64) {
        if count > 0 {
            self.part.tallies.add(kind, u64::from(count), || describe(event, offset));
        }
    }

    fn other_phase(&mut self, event: &Event<'_>, offset: u64) -> Accepted<()> {
        match event.phase {
            b's' | b't' | b'f' => self.count(CensusClass::Flow, event),
            b'M' => self.label(event),
            b'C' => named_counters(self, event, offset)?,
            b'i' | b'I' if event.args.total_allocated != Whole::Absent => {
                memory_counters(self, event, offset)?;
            }
            b'B' => {
                let instant = Event { duration: Time::Ns(0), ..event.clone() };
                let place = self.complete(&instant, offset)?;
                self.mark(event, MarkKind::Begin(place), offset)?;
            }
            b'E' => self.mark(event, MarkKind::End, offset)?,
            0 => return Err(Refused(ProblemKind::MalformedEvent)),
            _ => self.count(CensusClass::Phase, event),
        }
        Ok(())
    }

    fn count(&mut self, class: CensusClass, event: &Event<'_>) {
        let text = self.lane.text(event.category_text);
        self.part.count(class, event.phase, text);
    }

    fn mark(&mut self, event: &Event<'_>, kind: MarkKind, offset: u64) -> Accepted<()> {
        let time_ns = self.start(event, offset)?;
        let thread = self.lane.thread(event.pid, event.tid);
        self.part.marks.push(RangeMark { thread, time_ns, kind });
        Ok(())
    }

    fn label(&mut self, event: &Event<'_>) {
        let tid = match &*plain(event.name.unwrap_or_default()) {
            b"process_name" => None,
            b"thread_name" => Some(self.lane.id(event.tid)),
            _ => return,
        };
        let Some(label) = event.args.label.filter(|label| !label.bytes.is_empty()) else { return };
        let (pid, text) = (self.lane.id(event.pid), self.lane.text(label));
        self.part.labels.push(Label { pid, tid, text });
    }

    /// Writes an event that has a length; where its row lies, unless it is only counted.
    #[inline]
    fn complete(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Option<Place>> {
        let table = match event.category {
            Category::Kernel => self.kernel(event, offset)?,
            Category::Memcpy => self.memcpy(event, offset)?,
            Category::Memset => self.memset(event, offset)?,
            Category::Runtime => self.api_call(event, offset, ApiDomain::Runtime)?,
            Category::Driver => self.api_call(event, offset, ApiDomain::Driver)?,
            Category::CpuOp => self.cpu_op(event, offset, CpuOpKind::Operator)?,
            Category::PythonFunction => self.cpu_op(event, offset, CpuOpKind::PythonFunction)?,
            Category::UserAnnotation => self.annotation(event, offset)?,
            Category::GpuUserAnnotation => self.gpu_annotation(event, offset)?,
            Category::Sync => self.sync(event, offset)?,
            Category::Overhead => self.overhead(event, offset)?,
            Category::Recording => {
                let span = self.span(event, offset)?;
                self.part.recordings.push(span);
                return Ok(None);
            }
            Category::Absent | Category::Other => {
                self.count(CensusClass::Category, event);
                return Ok(None);
            }
        };
        Ok(Some(table))
    }

    #[inline]
    fn kernel(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let args = &event.args;
        let mut shape = KernelShape {
            grid: size(args.grid)?,
            block: size(args.block)?,
            // Kineto writes the sum of static and dynamic memory.
            dynamic_shared_bytes: number32(args.shared_memory)?,
            registers_per_thread: number32(args.registers)?,
            ..KernelShape::named(StringId::NONE)
        };
        let (external_id, graph_id) = (number64(args.external_id)?, graph_id(args.graph_id)?);
        let graph_node_id = match number64(args.graph_node_id)? {
            0 => NONE_U64,
            id => id,
        };
        let (correlation_id, wide) = correlation(args.correlation)?;
        let stream = self.stream(event, offset)?;
        shape.name = StringId::from_raw(self.lane.optional_text(event.name));
        let shape = self.lane.shapes.intern(shape).raw();
        let table = &mut self.part.kernels;
        let place = Place { table: TableKind::Kernel, row: table.len() as u32 };
        table.push(Kernel {
            start_ns,
            duration_ns,
            stream,
            shape,
            correlation_id,
            external_id,
            graph_id,
            graph_node_id,
        });
        Ok(self.placed(place, wide))
    }

    fn memcpy(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let args = &event.args;
        let name = plain(event.name.unwrap_or_default());
        let kind = memcpy_kind(&name, &plain(args.kind));
        let (source, destination) = memory_kinds(&name);
        let (external_id, graph_id) = (number64(args.external_id)?, graph_id(args.graph_id)?);
        let bytes = number64(args.bytes)?;
        let (correlation_id, wide) = correlation(args.correlation)?;
        let stream = self.stream(event, offset)?;
        self.tally(ProblemKind::MissingBytes, u32::from(bytes == NONE_U64), event, offset);
        let is_unknown = kind == MemcpyKind::Unknown;
        self.tally(ProblemKind::UnknownMemcpyKind, u32::from(is_unknown), event, offset);
        let table = &mut self.part.memcpys;
        let place = Place { table: TableKind::Memcpy, row: table.len() as u32 };
        table.push(Memcpy {
            start_ns,
            duration_ns,
            stream,
            bytes,
            kind: kind.code(),
            source_memory: source.code(),
            destination_memory: destination.code(),
            correlation_id,
            external_id,
            graph_id,
            ..Memcpy::default()
        });
        Ok(self.placed(place, wide))
    }

    fn memset(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let args = &event.args;
        let memory = memset_memory(&plain(event.name.unwrap_or_default()));
        let (external_id, graph_id) = (number64(args.external_id)?, graph_id(args.graph_id)?);
        let bytes = number64(args.bytes)?;
        let (correlation_id, wide) = correlation(args.correlation)?;
        let stream = self.stream(event, offset)?;
        self.tally(ProblemKind::MissingBytes, u32::from(bytes == NONE_U64), event, offset);
        let table = &mut self.part.memsets;
        let place = Place { table: TableKind::Memset, row: table.len() as u32 };
        table.push(Memset {
            start_ns,
            duration_ns,
            stream,
            bytes,
            memory: memory.code(),
            correlation_id,
            external_id,
            graph_id,
            ..Memset::default()
        });
        Ok(self.placed(place, wide))
    }

    #[inline]
    fn api_call(&mut self, event: &Event<'_>, offset: u64, domain: ApiDomain) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let external_id = number64(event.args.external_id)?;
        let (correlation_id, wide) = correlation(event.args.correlation)?;
        let thread = self.lane.thread(event.pid, event.tid);
        let name = self.lane.optional_text(event.name);
        let table = &mut self.part.api_calls;
        let place = Place { table: TableKind::ApiCall, row: table.len() as u32 };
        table.push(ApiCall {
            start_ns,
            duration_ns,
            thread,
            name,
            correlation_id,
            external_id,
            domain: domain.code(),
            ..ApiCall::default()
        });
        Ok(self.placed(place, wide))
    }

    #[inline]
    fn cpu_op(&mut self, event: &Event<'_>, offset: u64, kind: CpuOpKind) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let external_id = number64(event.args.external_id)?;
        let thread = self.lane.thread(event.pid, event.tid);
        let name = self.lane.optional_text(event.name);
        let input_types = self.lane.optional_value(event.args.input_types);
        let input_dims = self.lane.optional_value(event.args.input_dims);
        let table = &mut self.part.cpu_ops;
        let place = Place { table: TableKind::CpuOp, row: table.len() as u32 };
        table.push(CpuOp {
            start_ns,
            duration_ns,
            thread,
            name,
            kind: kind.code(),
            external_id,
            input_types,
            input_dims,
        });
        Ok(place)
    }

    fn annotation(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let external_id = number64(event.args.external_id)?;
        let row = Annotation {
            start_ns,
            duration_ns,
            thread: self.lane.thread(event.pid, event.tid),
            name: self.lane.optional_text(event.name),
            kind: AnnotationKind::User.code(),
            external_id,
            ..Annotation::default()
        };
        Ok(self.place_annotation(row))
    }

    /// A device-side annotation: its process is the device, its thread the stream.
    fn gpu_annotation(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let external_id = number64(event.args.external_id)?;
        let row = Annotation {
            start_ns,
            duration_ns,
            stream: self.stream(event, offset)?,
            name: self.lane.optional_text(event.name),
            kind: AnnotationKind::GpuUser.code(),
            external_id,
            ..Annotation::default()
        };
        Ok(self.place_annotation(row))
    }

    fn place_annotation(&mut self, row: Annotation) -> Place {
        let table = &mut self.part.annotations;
        let place = Place { table: TableKind::Annotation, row: table.len() as u32 };
        table.push(row);
        place
    }

    fn sync(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let args = &event.args;
        let is_stated = !args.sync_kind.bytes.is_empty();
        let text = if is_stated { args.sync_kind } else { event.name.unwrap_or_default() };
        let kind = sync_kind(&plain(text)).code();
        let event_id = match args.event_id {
            Whole::Natural(id) => u32::try_from(id).unwrap_or(NONE_U32),
            _ => NONE_U32,
        };
        let (correlation_id, wide) = correlation(args.correlation)?;
        // A wait for a context has no stream; it is written as -1 or as 2^32 - 1.
        let key = StreamKey {
            device: number32(args.device)?,
            context: number32(args.context)?,
            stream: stream_number(args.stream)?,
        };
        let stream = if key.stream == NONE_U64 { NONE_U32 } else { self.lane.stream(key) };
        let table = &mut self.part.syncs;
        let place = Place { table: TableKind::Sync, row: table.len() as u32 };
        table.push(Sync { start_ns, duration_ns, stream, kind, event_id, correlation_id });
        Ok(self.placed(place, wide))
    }

    fn overhead(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        // The profiler's process-wide cost has process -1.
        let thread = match event.pid {
            Id::Number(pid) if pid < 0 => NONE_U32,
            _ => self.lane.thread(event.pid, event.tid),
        };
        let name = self.lane.optional_text(event.name);
        let table = &mut self.part.overheads;
        let place = Place { table: TableKind::Overhead, row: table.len() as u32 };
        table.push(Overhead { start_ns, duration_ns, thread, name });
        Ok(place)
    }

    pub(super) fn sample(&mut self, time_ns: i64, track: u32, value: f64) {
        self.part.counters.push(Counter { time_ns, track, value });
    }

    #[inline]
    fn placed(&mut self, place: Place, wide: Option<u64>) -> Place {
        if let Some(value) = wide {
            self.part.wide_correlations.push(WideCorrelation { place, value });
        }
        place
    }

    #[inline]
    fn span(&mut self, event: &Event<'_>, offset: u64) -> Accepted<(i64, u64)> {
        let start_ns = self.start(event, offset)?;
        let duration_ns = match event.duration {
            Time::Ns(ns) => ns,
            Time::RoundedNs(ns) => {
                self.tally(ProblemKind::RoundedTime, 1, event, offset);
                ns
            }
            Time::Absent => return Err(Refused(ProblemKind::MissingDuration)),
            Time::Unusable(fault) => return Err(fault.into()),
        };
        if duration_ns < 0 {
            self.tally(ProblemKind::NegativeDuration, 1, event, offset);
        }
        Ok((start_ns, duration_ns.max(0).unsigned_abs()))
    }

    #[inline]
    pub(super) fn start(&mut self, event: &Event<'_>, offset: u64) -> Accepted<i64> {
        match event.start {
            Time::Ns(ns) => Ok(ns),
            Time::RoundedNs(ns) => {
                self.tally(ProblemKind::RoundedTime, 1, event, offset);
                Ok(ns)
            }
            Time::Absent => Err(Refused(ProblemKind::MissingTimestamp)),
            Time::Unusable(fault) => Err(fault.into()),
        }
    }

    /// The stream of device work: from the arguments, otherwise from process and thread, which
    /// hold device and stream on the device side.
    #[inline]
    fn stream(&mut self, event: &Event<'_>, offset: u64) -> Accepted<u32> {
        let args = &event.args;
        let context = number32(args.context)?;
        let mut device = number32(args.device)?;
        if device == NONE_U32
            && let Id::Number(pid) = event.pid
        {
            device = u32::try_from(pid).unwrap_or(NONE_U32);
        }
        let mut stream = stream_number(args.stream)?;
        if stream == NONE_U64 && args.stream == Whole::Absent {
            stream = event.tid.trailing_number().unwrap_or(NONE_U64);
        }
        if device == NONE_U32 || stream == NONE_U64 {
            self.tally(ProblemKind::UnresolvedStream, 1, event, offset);
        }
        Ok(self.lane.stream(StreamKey { device, context, stream }))
    }
}

/// A number that is none when it is absent or negative.
#[inline]
pub(super) fn number32(number: Whole) -> Accepted<u32> {
    match number {
        Whole::Natural(value) => {
            u32::try_from(value).map_err(|_| Refused(ProblemKind::NumberOutOfRange))
        }
        Whole::Absent | Whole::Negative(_) => Ok(NONE_U32),
        Whole::Unusable(fault) => Err(fault.into()),
    }
}

#[inline]
fn number64(number: Whole) -> Accepted<u64> {
    match number {
        Whole::Natural(value) => Ok(value),
        Whole::Absent | Whole::Negative(_) => Ok(NONE_U64),
        Whole::Unusable(fault) => Err(fault.into()),
    }
}

/// A stream number; -1 also comes as the 32 bits of it.
#[inline]
fn stream_number(number: Whole) -> Accepted<u64> {
    Ok(match number64(number)? {
        value if value == u64::from(u32::MAX) => NONE_U64,
        value => value,
    })
}

/// A graph's id; CUPTI writes 0 for "in no graph".
#[inline]
fn graph_id(number: Whole) -> Accepted<u32> {
    Ok(match number32(number)? {
        0 => NONE_U32,
        id => id,
    })
}

/// A correlation id, or the value that does not fit the column.
#[inline]
fn correlation(number: Whole) -> Accepted<(u32, Option<u64>)> {
    Ok(match number64(number)? {
        NONE_U64 => (NONE_U32, None),
        value if value < u64::from(NONE_U32) => (value as u32, None),
        value => (NONE_U32, Some(value)),
    })
}

#[inline]
fn size(size: Dim3) -> Accepted<[u32; 3]> {
    match size {
        Dim3::Size(size) => Ok(size),
        Dim3::Absent => Ok([0; 3]),
        Dim3::Unusable(fault) => Err(fault.into()),
    }
}

#[cold]
fn describe(event: &Event<'_>, offset: u64) -> String {
    let text = event.name.unwrap_or(event.category_text).bytes;
    let shown = String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned();
    match text.len() {
        0 => format!("at byte {offset}"),
        1..=60 => format!("at byte {offset}: {shown}"),
        _ => format!("at byte {offset}: {shown}…"),
    }
}

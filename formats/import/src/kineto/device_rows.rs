//! Rows of what devices did.

use underspan_model::tables::{
    Annotation, AnnotationKind, Kernel, Memcpy, MemcpyKind, Memset, Sync, TableKind,
};
use underspan_model::{KernelShape, NONE_U32, NONE_U64, ProblemKind, StringId};

use super::event::{Args, Dim3, Event, Id};
use super::labels::{memcpy_kind, memory_kinds, memset_memory, sync_kind};
use super::lane::StreamKey;
use super::number::Whole;
use super::part::Place;
use super::rows::{Accepted, RowWriter, correlation, number32, number64};
use super::text::plain;

impl RowWriter<'_> {
    #[inline]
    pub(super) fn kernel(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
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
        let external_id = number64(args.external_id)?;
        let (graph_id, graph_node_id) = graph(args)?;
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

    pub(super) fn memcpy(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let args = &event.args;
        let name = plain(event.name.unwrap_or_default());
        let kind = memcpy_kind(&name, &plain(args.kind));
        let (source, destination) = memory_kinds(&name);
        let external_id = number64(args.external_id)?;
        let (graph_id, graph_node_id) = graph(args)?;
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
            graph_node_id,
        });
        Ok(self.placed(place, wide))
    }

    pub(super) fn memset(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let args = &event.args;
        let memory = memset_memory(&plain(event.name.unwrap_or_default()));
        let external_id = number64(args.external_id)?;
        let (graph_id, graph_node_id) = graph(args)?;
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
            graph_node_id,
        });
        Ok(self.placed(place, wide))
    }

    /// A device-side annotation: its process is the device, its thread the stream.
    pub(super) fn gpu_annotation(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
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

    pub(super) fn sync(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
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

/// A stream number; -1 also comes as the 32 bits of it.
#[inline]
fn stream_number(number: Whole) -> Accepted<u64> {
    Ok(match number64(number)? {
        value if value == u64::from(u32::MAX) => NONE_U64,
        value => value,
    })
}

/// The graph and the node in it; CUPTI writes 0 for "in no graph".
#[inline]
fn graph(args: &Args<'_>) -> Accepted<(u32, u64)> {
    let graph_id = match number32(args.graph_id)? {
        0 => NONE_U32,
        id => id,
    };
    let graph_node_id = match number64(args.graph_node_id)? {
        0 => NONE_U64,
        id => id,
    };
    Ok((graph_id, graph_node_id))
}

#[inline]
fn size(size: Dim3) -> Accepted<[u32; 3]> {
    match size {
        Dim3::Size(size) => Ok(size),
        Dim3::Absent => Ok([0; 3]),
        Dim3::Unusable(fault) => Err(fault.into()),
    }
}

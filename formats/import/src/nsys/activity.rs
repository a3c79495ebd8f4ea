//! What devices did: kernels, copies, fills, waits, graph launches.

use hashbrown::HashMap;
use underspan_model::tables::{
    GraphLaunch, Kernel, Memcpy, MemcpyKind, MemoryKind, Memset, Sync, SyncKind,
};
use underspan_model::{KernelShape, NONE_U32, NONE_U64, ProblemKind, ShapeId, StreamId, StringId};

use super::context::Context;
use super::database::Database;
use super::identity::{GlobalPid, Place};
use super::rows::{Cells, Fault, for_each_row};
use crate::ImportError;

const KERNEL: &str = "CUPTI_ACTIVITY_KIND_KERNEL";
const MEMCPY: &str = "CUPTI_ACTIVITY_KIND_MEMCPY";
const MEMSET: &str = "CUPTI_ACTIVITY_KIND_MEMSET";
const SYNC: &str = "CUPTI_ACTIVITY_KIND_SYNCHRONIZATION";
const GRAPH: &str = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE";

/// Tables read here.
pub(super) const TABLES: &[&str] = &[KERNEL, MEMCPY, MEMSET, SYNC, GRAPH];

/// Reads all tables of device work. API calls must have been read before.
pub(super) fn read(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    kernels(database, context)?;
    memcpys(database, context)?;
    memsets(database, context)?;
    graph_launches(database, context)?;
    syncs(database, context)
}

fn kernels(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    // The demangled name is the one every version has; exports by other tools may lack it.
    let names = ["demangledName", "shortName", "mangledName", "name"];
    let name = names.into_iter().find(|name| database.has_column(KERNEL, name)).unwrap_or(names[0]);
    let columns = [
        "start",
        "end",
        "deviceId",
        "contextId",
        "streamId",
        "globalPid",
        "correlationId",
        name,
        "gridX",
        "gridY",
        "gridZ",
        "blockX",
        "blockY",
        "blockZ",
        "staticSharedMemory",
        "dynamicSharedMemory",
        "registersPerThread",
        "graphId",
        "graphNodeId",
    ];
    let mut shapes = Shapes::default();
    context.timeline.kernels.reserve(database.rows_to_reserve(KERNEL));
    for_each_row(database, context, KERNEL, &columns, |context, cells| {
        let (start_ns, duration_ns) = cells.span(0, context)?;
        let (stream, correlation_id) = stream(cells, context)?;
        let name = cells.name(7, context)?.map_or(StringId::NONE, |name| name.id);
        let shape = KernelShape {
            name,
            grid: [cells.u32_or_zero(8)?, cells.u32_or_zero(9)?, cells.u32_or_zero(10)?],
            block: [cells.u32_or_zero(11)?, cells.u32_or_zero(12)?, cells.u32_or_zero(13)?],
            static_shared_bytes: cells.u32(14)?,
            dynamic_shared_bytes: cells.u32(15)?,
            registers_per_thread: cells.u32(16)?,
        };
        let row = Kernel {
            start_ns,
            duration_ns,
            stream: stream.raw(),
            shape: shapes.id(shape, context).raw(),
            correlation_id,
            external_id: NONE_U64,
            graph_id: graph_id(cells, 17)?,
            graph_node_id: graph_node_id(cells, 18)?,
        };
        context.timeline.kernels.push(row);
        Ok(())
    })
}

fn memcpys(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    let columns = [
        "start",
        "end",
        "deviceId",
        "contextId",
        "streamId",
        "globalPid",
        "correlationId",
        "bytes",
        "copyKind",
        "srcKind",
        "dstKind",
        "graphNodeId",
    ];
    let copies = labels(database, context, "ENUM_CUDA_MEMCPY_OPER", copy_kind)?;
    let memories = labels(database, context, "ENUM_CUDA_MEM_KIND", memory_kind)?;
    context.timeline.memcpys.reserve(database.rows_to_reserve(MEMCPY));
    for_each_row(database, context, MEMCPY, &columns, |context, cells| {
        let (start_ns, duration_ns) = cells.span(0, context)?;
        let (stream, correlation_id) = stream(cells, context)?;
        let bytes = bytes(cells, 7, context)?;
        let kind = match cells.integer(8)? {
            Some(code) => copies.get(code).unwrap_or_else(|| default_copy_kind(code)),
            None => MemcpyKind::Unknown,
        };
        if kind == MemcpyKind::Unknown {
            context.note(ProblemKind::UnknownMemcpyKind);
        }
        let memory = |at| -> Result<u8, Fault> {
            let code = cells.integer(at)?;
            Ok(code.map_or(MemoryKind::Unknown, |code| memories.memory(code)).code())
        };
        let row = Memcpy {
            start_ns,
            duration_ns,
            stream: stream.raw(),
            bytes,
            kind: kind.code(),
            source_memory: memory(9)?,
            destination_memory: memory(10)?,
            correlation_id,
            external_id: NONE_U64,
            graph_id: NONE_U32,
            graph_node_id: graph_node_id(cells, 11)?,
        };
        context.timeline.memcpys.push(row);
        Ok(())
    })
}

fn memsets(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    let columns = [
        "start",
        "end",
        "deviceId",
        "contextId",
        "streamId",
        "globalPid",
        "correlationId",
        "bytes",
        "memKind",
        "graphNodeId",
    ];
    let memories = labels(database, context, "ENUM_CUDA_MEM_KIND", memory_kind)?;
    context.timeline.memsets.reserve(database.rows_to_reserve(MEMSET));
    for_each_row(database, context, MEMSET, &columns, |context, cells| {
        let (start_ns, duration_ns) = cells.span(0, context)?;
        let (stream, correlation_id) = stream(cells, context)?;
        let memory = cells.integer(8)?;
        let row = Memset {
            start_ns,
            duration_ns,
            stream: stream.raw(),
            bytes: bytes(cells, 7, context)?,
            memory: memory.map_or(MemoryKind::Unknown, |code| memories.memory(code)).code(),
            correlation_id,
            external_id: NONE_U64,
            graph_id: NONE_U32,
            graph_node_id: graph_node_id(cells, 9)?,
        };
        context.timeline.memsets.push(row);
        Ok(())
    })
}

fn graph_launches(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    let has_executable = database.has_column(GRAPH, "graphExecId");
    let graph = if has_executable { "graphExecId" } else { "graphId" };
    let columns =
        ["start", "end", "deviceId", "contextId", "streamId", "globalPid", "correlationId", graph];
    for_each_row(database, context, GRAPH, &columns, |context, cells| {
        let (start_ns, duration_ns) = cells.span(0, context)?;
        let (stream, correlation_id) = stream(cells, context)?;
        let row = GraphLaunch {
            start_ns,
            duration_ns,
            stream: stream.raw(),
            correlation_id,
            graph_id: graph_id(cells, 7)?,
        };
        context.timeline.graph_launches.push(row);
        Ok(())
    })
}

fn syncs(database: &Database, context: &mut Context<'_>) -> Result<(), ImportError> {
    let columns = [
        "start",
        "end",
        "deviceId",
        "contextId",
        "streamId",
        "globalPid",
        "correlationId",
        "syncType",
        "eventId",
    ];
    for_each_row(database, context, SYNC, &columns, |context, cells| {
        let (start_ns, duration_ns) = cells.span(0, context)?;
        let (place, correlation_id) = place(cells, context)?;
        let stream = context.identity.synced_stream(&mut context.timeline.dimensions, place);
        let kind = cells.integer(7)?.and_then(|code| u8::try_from(code).ok()).unwrap_or(0);
        let row = Sync {
            start_ns,
            duration_ns,
            stream: stream.raw(),
            kind: SyncKind::from_code(kind).code(),
            event_id: cells.u32(8)?,
            correlation_id,
        };
        context.timeline.syncs.push(row);
        Ok(())
    })
}

/// Reads device, context, stream, process and correlation id from positions 2 to 6.
#[inline]
fn place(cells: &Cells<'_, '_>, context: &mut Context<'_>) -> Result<(Place, u32), Fault> {
    let correlation = cells.integer(6)?;
    let correlation_id = context.correlation(correlation);
    let process = match cells.integer(5)? {
        Some(global) => Some(GlobalPid::of(global)),
        None => context.owner(correlation_id),
    };
    // A stream number of 32 set bits means none.
    let stream = match cells.u32(4)? {
        NONE_U32 => NONE_U64,
        stream => u64::from(stream),
    };
    Ok((Place { process, device: cells.u32(2)?, context: cells.u32(3)?, stream }, correlation_id))
}

#[inline]
fn stream(cells: &Cells<'_, '_>, context: &mut Context<'_>) -> Result<(StreamId, u32), Fault> {
    let (place, correlation_id) = place(cells, context)?;
    if place.device == NONE_U32 || place.stream == NONE_U64 {
        context.note(ProblemKind::UnresolvedStream);
    }
    Ok((context.identity.stream(&mut context.timeline.dimensions, place), correlation_id))
}

#[inline]
fn bytes(cells: &Cells<'_, '_>, at: usize, context: &mut Context<'_>) -> Result<u64, Fault> {
    match cells.integer(at)? {
        Some(bytes) => u64::try_from(bytes).map_err(|_| ProblemKind::NumberOutOfRange),
        None => {
            context.note(ProblemKind::MissingBytes);
            Ok(NONE_U64)
        }
    }
}

/// Zero stands for "in no graph" in the versions that have the column for every kernel.
#[inline]
fn graph_id(cells: &Cells<'_, '_>, at: usize) -> Result<u32, Fault> {
    cells.u32(at).map(|id| if id == 0 { NONE_U32 } else { id })
}

#[inline]
fn graph_node_id(cells: &Cells<'_, '_>, at: usize) -> Result<u64, Fault> {
    cells.u64(at).map(|id| if id == 0 { NONE_U64 } else { id })
}

/// Launch shapes met so far: the last one is tried first, as kernels repeat in runs.
#[derive(Default)]
struct Shapes {
    last: Option<(KernelShape, ShapeId)>,
}

impl Shapes {
    #[inline]
    fn id(&mut self, shape: KernelShape, context: &mut Context<'_>) -> ShapeId {
        if let Some((last, id)) = self.last
            && last == shape
        {
            return id;
        }
        let id = context.timeline.shapes.intern(shape);
        self.last = Some((shape, id));
        id
    }
}

/// The meaning of codes by the file's own `ENUM_*` table.
struct Labels<T> {
    by_code: HashMap<i64, T>,
}

impl<T: Copy> Labels<T> {
    fn get(&self, code: i64) -> Option<T> {
        self.by_code.get(&code).copied()
    }
}

impl Labels<MemoryKind> {
    /// Nsight Systems counts kinds of memory from pageable = 0, CUPTI from unknown = 0.
    fn memory(&self, code: i64) -> MemoryKind {
        self.get(code).unwrap_or_else(|| match u8::try_from(code) {
            Ok(code) => MemoryKind::from_code(code.saturating_add(1)),
            Err(_) => MemoryKind::Unknown,
        })
    }
}

fn labels<T>(
    database: &Database,
    context: &mut Context<'_>,
    table: &'static str,
    meaning: impl Fn(&str) -> Option<T>,
) -> Result<Labels<T>, ImportError> {
    let mut by_code = HashMap::new();
    if database.has_column(table, "id") && database.has_column(table, "name") {
        for_each_row(database, context, table, &["id", "name"], |_, cells| {
            let name = cells.value(1);
            if let (Some(code), Ok(name)) = (cells.integer(0)?, name.as_str())
                && let Some(meaning) = meaning(name)
            {
                by_code.insert(code, meaning);
            }
            Ok(())
        })?;
    }
    Ok(Labels { by_code })
}

/// Names of `ENUM_CUDA_MEMCPY_OPER`. Copies that move managed memory count by their direction.
fn copy_kind(name: &str) -> Option<MemcpyKind> {
    let direction = name.strip_prefix("CUDA_MEMCPY_KIND_")?;
    let direction = direction.strip_prefix("UVM_").unwrap_or(direction);
    MemcpyKind::ALL.iter().copied().find(|kind| kind.as_str().eq_ignore_ascii_case(direction))
}

/// Codes of `ENUM_CUDA_MEMCPY_OPER` in every version seen; 11 to 13 move managed memory.
fn default_copy_kind(code: i64) -> MemcpyKind {
    match code {
        11 => MemcpyKind::HtoD,
        12 => MemcpyKind::DtoH,
        13 => MemcpyKind::DtoD,
        _ => u8::try_from(code).map_or(MemcpyKind::Unknown, MemcpyKind::from_code),
    }
}

/// Names of `ENUM_CUDA_MEM_KIND`.
fn memory_kind(name: &str) -> Option<MemoryKind> {
    let kind = name.strip_prefix("CUDA_MEMOPR_MEMORY_KIND_")?;
    MemoryKind::ALL.iter().copied().find(|known| known.as_str().eq_ignore_ascii_case(kind))
}

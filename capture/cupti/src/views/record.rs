//! The sum of all views.

use cupti_sys::ActivityKind;

use super::device::{
    Context, ContextLayout, CtxSwitch, CtxSwitchLayout, Device, DeviceLayout, Environment,
    EnvironmentLayout, Stream, StreamLayout,
};
use super::graph::{
    DeviceGraphTrace, DeviceGraphTraceLayout, GraphHostNode, GraphHostNodeLayout, GraphTrace,
    GraphTraceLayout,
};
use super::host::{
    ApiLayout, ApiRecord, CudaEvent, CudaEventLayout, ExternalCorrelation,
    ExternalCorrelationLayout, HostLaunch, HostLaunchLayout, Jit, JitLayout, Overhead,
    OverheadLayout, Sync, SyncLayout,
};
use super::kernel::{Kernel, KernelLayout};
use super::marker::{Marker, MarkerData, MarkerDataLayout, MarkerLayout, Name, NameLayout};
use super::memory::{MemoryLayout, MemoryOperationRecord, MemoryPoolLayout, MemoryPoolRecord};
use super::transfer::{Memcpy, MemcpyLayout, MemcpyPtoP, MemcpyPtoPLayout, Memset, MemsetLayout};
use crate::layout::Offsets;

/// What is wrong with a record's times. Such a record is not a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeFault {
    /// There is no start: the library could take no time, for want of device memory.
    Zero,
    /// There is a start and no end: the work still ran when a flush was forced.
    Unfinished,
    /// The end is before the start.
    Inverted,
}

impl TimeFault {
    /// What is wrong with an interval.
    pub fn of_interval(start_ns: u64, end_ns: u64) -> Option<Self> {
        if start_ns == 0 {
            Some(Self::Zero)
        } else if end_ns == 0 {
            Some(Self::Unfinished)
        } else if end_ns < start_ns {
            Some(Self::Inverted)
        } else {
            None
        }
    }

    fn of_instant(timestamp_ns: u64) -> Option<Self> {
        (timestamp_ns == 0).then_some(Self::Zero)
    }
}

macro_rules! records {
    ($(
        $variant:ident($view:ident, $layout:ident): $($kind:ident)|+,
        $record:ident => $times:expr;
    )*) => {
        /// One decoded record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Record {
            $(
                #[doc = concat!("See [`", stringify!($view), "`].")]
                $variant($view),
            )*
        }

        impl Record {
            /// The record's kind.
            pub fn kind(&self) -> ActivityKind {
                match self { $( Self::$variant(record) => record.kind, )* }
            }

            /// What is wrong with the record's times, if it has any.
            #[inline]
            pub fn time_fault(&self) -> Option<TimeFault> {
                match self { $( Self::$variant($record) => $times, )* }
            }

            /// Ids of the fields to select to record `kind` as a user-defined record, the kind
            /// first; `None` for kinds without a view. Extras are fields that releases after 13.3
            /// brought.
            pub fn selection(kind: ActivityKind, with_extras: bool) -> Option<Vec<i32>> {
                match kind {
                    $( $( ActivityKind::$kind )|+ => Some($view::selection(with_extras)), )*
                    _ => None,
                }
            }
        }

        /// The layout of one kind.
        #[derive(Clone, Debug)]
        pub(crate) enum Slot {
            /// Stepped over.
            None,
            $( $variant($layout), )*
        }

        impl Slot {
            pub(crate) fn for_kind(kind: ActivityKind, offsets: &Offsets<'_>) -> Self {
                match kind {
                    $( $( ActivityKind::$kind )|+ => {
                        $layout::new(offsets).map_or(Self::None, Self::$variant)
                    } )*
                    _ => Self::None,
                }
            }

            #[inline]
            pub(crate) fn read(&self, kind: ActivityKind, record: &[u8]) -> Option<Record> {
                match self {
                    Self::None => None,
                    $( Self::$variant(layout) => {
                        Some(Record::$variant(layout.read(kind, record)))
                    } )*
                }
            }
        }
    };
}

records! {
    Kernel(Kernel, KernelLayout): CONCURRENT_KERNEL | KERNEL,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    Memcpy(Memcpy, MemcpyLayout): MEMCPY,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    MemcpyPtoP(MemcpyPtoP, MemcpyPtoPLayout): MEMCPY2,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    Memset(Memset, MemsetLayout): MEMSET,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    Api(ApiRecord, ApiLayout): RUNTIME | DRIVER,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    Sync(Sync, SyncLayout): SYNCHRONIZATION,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    GraphTrace(GraphTrace, GraphTraceLayout): GRAPH_TRACE,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    DeviceGraphTrace(DeviceGraphTrace, DeviceGraphTraceLayout): DEVICE_GRAPH_TRACE,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    GraphHostNode(GraphHostNode, GraphHostNodeLayout): GRAPH_HOST_NODE,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    HostLaunch(HostLaunch, HostLaunchLayout): HOST_LAUNCH,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    Overhead(Overhead, OverheadLayout): OVERHEAD,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    Jit(Jit, JitLayout): JIT,
        r => TimeFault::of_interval(r.start_ns, r.end_ns);
    ExternalCorrelation(ExternalCorrelation, ExternalCorrelationLayout): EXTERNAL_CORRELATION,
        _r => None;
    CudaEvent(CudaEvent, CudaEventLayout): CUDA_EVENT,
        _r => None;
    Marker(Marker, MarkerLayout): MARKER,
        r => TimeFault::of_instant(r.timestamp_ns);
    MarkerData(MarkerData, MarkerDataLayout): MARKER_DATA,
        _r => None;
    Name(Name, NameLayout): NAME,
        _r => None;
    Memory(MemoryOperationRecord, MemoryLayout): MEMORY2,
        r => TimeFault::of_instant(r.timestamp_ns);
    MemoryPool(MemoryPoolRecord, MemoryPoolLayout): MEMORY_POOL,
        r => TimeFault::of_instant(r.timestamp_ns);
    Device(Device, DeviceLayout): DEVICE,
        _r => None;
    Context(Context, ContextLayout): CONTEXT,
        _r => None;
    Stream(Stream, StreamLayout): STREAM,
        _r => None;
    Environment(Environment, EnvironmentLayout): ENVIRONMENT,
        r => TimeFault::of_instant(r.timestamp_ns);
    CtxSwitch(CtxSwitch, CtxSwitchLayout): COMPUTE_ENGINE_CTX_SWITCH,
        r => TimeFault::of_instant(r.timestamp_ns);
}

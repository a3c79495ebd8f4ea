//! The tables of a capture, one file each, all made by one macro.
//!
//! A table is a struct of columns (`KernelTable { start_ns: Vec<i64>, … }`) with a row type
//! (`Kernel`) to push and read. Every table implements [`Table`], so that the file format, merging
//! and sorting treat all of them alike.

mod activity;
mod codes;
mod cpu;
mod define;
mod dimension;
mod serving;

pub use activity::{
    GraphLaunch, GraphLaunchTable, Kernel, KernelTable, Memcpy, MemcpyTable, Memset, MemsetTable,
    Overhead, OverheadTable, Sync, SyncTable,
};
pub use codes::{
    AnnotationKind, ApiDomain, AttributeKind, CounterKind, CpuOpKind, MemcpyKind, MemoryKind,
    Phase, Rung, SpanKind, SpanStatus, StepKind, SyncKind,
};
pub use cpu::{Annotation, AnnotationTable, ApiCall, ApiCallTable, CpuOp, CpuOpTable};
pub use define::{Table, TableKind};
pub use dimension::{
    ClockAnchor, ClockAnchorTable, CounterTrack, CounterTrackTable, Device, DeviceTable, GraphNode,
    GraphNodeTable, Process, ProcessTable, Property, PropertyTable, Source, SourceTable, Stream,
    StreamTable, Thread, ThreadTable,
};
pub use serving::{
    Counter, CounterTable, RequestIdentity, RequestIdentityTable, Span, SpanAttribute,
    SpanAttributeTable, SpanEvent, SpanEventTable, SpanLink, SpanLinkTable, SpanTable, Step,
    StepMember, StepMemberTable, StepTable,
};

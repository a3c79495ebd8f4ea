//! The data every part of underspan works on: units, ids, tables, and the [`Timeline`] that
//! holds one capture.
//!
//! A capture is a set of struct-of-arrays tables ([`tables`]): one row per kernel, copy, API
//! call, annotation and so on, in columns of plain integers. Columns whose name ends in `_ns`
//! are nanoseconds, in `_bytes` bytes. A row read through [`tables`] has typed accessors
//! ([`TimestampNs`], [`DurationNs`], [`Interval`]); the raw columns exist so that analysis can
//! scan them and the file format can store them without knowing what they mean.
//!
//! Small dimension lists (processes, devices, streams, threads, counter tracks) hold what rows
//! refer to by index. Names live once in a [`StringTable`], launch shapes once in a
//! [`ShapeTable`]. Whatever a reader or the collector had to drop, repair or doubt is counted in
//! the [`ProblemLedger`].

mod cancel;
mod capture_info;
mod column;
mod dimensions;
mod ids;
mod problem;
mod shape;
pub mod span_facts;
mod string_table;
pub mod tables;
mod timeline;
mod units;
mod window;

pub use cancel::{Cancel, give_up_if_cancelled, until_cancelled};
pub use capture_info::{CaptureInfo, ClockDomain};
pub use column::{ColumnMut, ColumnRef, ColumnSpec, ColumnType, Reference};
pub use dimensions::Dimensions;
pub use ids::{
    CounterTrackId, DeviceId, NONE_I64, NONE_U8, NONE_U32, NONE_U64, ProcessId, ShapeId, SourceId,
    SpanNumber, StreamId, StringId, ThreadId,
};
pub use problem::{Problem, ProblemKind, ProblemLedger, Severity, Trust};
pub use shape::{KernelShape, ShapeTable};
pub use string_table::StringTable;
pub use timeline::{Renumbering, Timeline};
pub use units::{Bytes, DurationNs, Interval, TimestampNs};

//! The [`Table`] trait and the macro that writes a table from its list of columns.

use crate::{ColumnMut, ColumnRef, ColumnSpec};

macro_rules! table_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Which table: its code in files and its name in reports, both stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum TableKind {
            $($(#[$doc])* $name,)*
        }

        impl TableKind {
            /// Every kind, in code order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number that stands for this table in files.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The table with this code; `None` for a code of a later version.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The table's name in reports and SQL.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

table_kinds! {
    /// Kernels run on a device.
    Kernel = 1, "kernel";
    /// Memory copies.
    Memcpy = 2, "memcpy";
    /// Memory fills.
    Memset = 3, "memset";
    /// Runtime and driver API calls on the host.
    ApiCall = 4, "api_call";
    /// Waits for a stream, event or context.
    Sync = 5, "sync";
    /// Whole graph launches (graph-level tracing).
    GraphLaunch = 6, "graph_launch";
    /// Time the profiler itself took.
    Overhead = 7, "overhead";
    /// NVTX ranges and framework annotations.
    Annotation = 8, "annotation";
    /// Framework operators and Python functions on the host.
    CpuOp = 9, "cpu_op";
    /// Request spans.
    Span = 10, "span";
    /// Engine iterations.
    Step = 11, "step";
    /// Requests in engine iterations.
    StepMember = 12, "step_member";
    /// Counter samples.
    Counter = 13, "counter";
    /// Attributes of spans and of their events.
    SpanAttribute = 14, "span_attribute";
    /// Points in time within spans.
    SpanEvent = 15, "span_event";
    /// Links from spans to other spans.
    SpanLink = 16, "span_link";
    /// The names a request is known by.
    RequestIdentity = 17, "request_identity";
    /// Input files and recordings.
    Source = 32, "source";
    /// Facts about a source as key and value.
    Property = 33, "property";
    /// Processes.
    Process = 34, "process";
    /// Devices.
    Device = 35, "device";
    /// Streams.
    Stream = 36, "stream";
    /// Threads.
    Thread = 37, "thread";
    /// Counter tracks.
    CounterTrack = 38, "counter_track";
    /// Simultaneous readings of several clocks.
    ClockAnchor = 39, "clock_anchor";
    /// Nodes of CUDA graphs and where each was captured.
    GraphNode = 40, "graph_node";
}

/// What every table can do, whatever its columns are.
pub trait Table: std::fmt::Debug + Send + Sync {
    /// Which table this is.
    fn kind(&self) -> TableKind;

    /// Number of rows.
    fn len(&self) -> usize;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name, type, default and meaning of each column, in column order.
    fn specs(&self) -> &'static [ColumnSpec];

    /// The columns, in [`Table::specs`] order.
    fn columns(&self) -> Vec<ColumnRef<'_>>;

    /// The columns to fill, in [`Table::specs`] order. The caller keeps all of them equally long.
    fn columns_mut(&mut self) -> Vec<ColumnMut<'_>>;

    /// The start (or sample) times by which rows are ordered; `None` for dimension lists.
    fn start_column(&self) -> Option<&[i64]>;

    /// The durations that go with [`Table::start_column`]; `None` for instants.
    fn duration_column(&self) -> Option<&[u64]>;

    /// Reorders rows so that row `i` becomes the row that was at `order[i]`.
    ///
    /// # Panics
    /// When `order` is not as long as the table or points outside it.
    fn permute(&mut self, order: &[u32]);

    /// Earliest start and latest end over all rows; `None` without rows or without times.
    fn time_bounds(&self) -> Option<(i64, i64)> {
        let starts = self.start_column()?;
        let first = starts.iter().copied().min()?;
        let last = match self.duration_column() {
            Some(durations) => starts
                .iter()
                .zip(durations)
                .map(|(start, duration)| start.saturating_add_unsigned(*duration))
                .max()?,
            None => starts.iter().copied().max()?,
        };
        Some((first, last))
    }
}

macro_rules! column_default {
    ($ty:ty) => {
        <$ty>::default()
    };
    ($ty:ty, $default:expr) => {
        $default
    };
}

macro_rules! column_reference {
    () => {
        $crate::column::Reference::Nothing
    };
    ($name:ident) => {
        $crate::column::Reference::$name
    };
}

/// Writes a row struct, a table of columns and the [`Table`] implementation.
///
/// `column: type [= default] [=> Reference],`; the table's time columns are named in the head.
macro_rules! define_table {
    (
        $(#[$row_doc:meta])*
        $row:ident in $table:ident: $kind:ident, time: $time:tt;
        $($(#[$doc:meta])* $col:ident: $ty:ty $(= $default:expr)? $(=> $reference:ident)?,)*
    ) => {
        $(#[$row_doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $row {
            $($(#[$doc])* pub $col: $ty,)*
        }

        impl Default for $row {
            fn default() -> Self {
                Self { $($col: column_default!($ty $(, $default)?),)* }
            }
        }

        #[doc = concat!("Columns of [`", stringify!($row), "`] rows.")]
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $table {
            $($(#[$doc])* pub $col: Vec<$ty>,)*
        }

        impl $table {
            /// Name, type, default and meaning of each column.
            pub const COLUMNS: &'static [$crate::ColumnSpec] = &[$($crate::ColumnSpec {
                name: stringify!($col),
                ty: <$ty as $crate::column::ColumnValue>::TYPE,
                default_bits: column_default_bits!($($default)?),
                reference: column_reference!($($reference)?),
            }),*];

            /// Number of rows.
            pub fn len(&self) -> usize {
                define_table!(@first self, $($col)*).len()
            }

            /// Whether there are no rows.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Room for `additional` more rows.
            pub fn reserve(&mut self, additional: usize) {
                $(self.$col.reserve(additional);)*
            }

            /// Appends a row.
            #[inline]
            pub fn push(&mut self, row: $row) {
                $(self.$col.push(row.$col);)*
            }

            /// The row at `index`.
            #[inline]
            pub fn get(&self, index: usize) -> Option<$row> {
                Some($row { $($col: *self.$col.get(index)?,)* })
            }

            /// All rows in order.
            pub fn iter(&self) -> impl Iterator<Item = $row> + '_ {
                (0..self.len()).filter_map(|index| self.get(index))
            }

            /// Moves all rows of `other` to the end of this table.
            pub fn append(&mut self, other: &mut Self) {
                $(self.$col.append(&mut other.$col);)*
            }

            /// Forgets all rows and keeps the memory.
            pub fn clear(&mut self) {
                $(self.$col.clear();)*
            }
        }

        impl FromIterator<$row> for $table {
            fn from_iter<I: IntoIterator<Item = $row>>(rows: I) -> Self {
                let mut table = Self::default();
                for row in rows {
                    table.push(row);
                }
                table
            }
        }

        impl $crate::tables::Table for $table {
            fn kind(&self) -> $crate::tables::TableKind {
                $crate::tables::TableKind::$kind
            }

            fn len(&self) -> usize {
                $table::len(self)
            }

            fn specs(&self) -> &'static [$crate::ColumnSpec] {
                Self::COLUMNS
            }

            fn columns(&self) -> Vec<$crate::ColumnRef<'_>> {
                vec![$(<$ty as $crate::column::ColumnValue>::column_ref(&self.$col)),*]
            }

            fn columns_mut(&mut self) -> Vec<$crate::ColumnMut<'_>> {
                vec![$(<$ty as $crate::column::ColumnValue>::column_mut(&mut self.$col)),*]
            }

            fn permute(&mut self, order: &[u32]) {
                assert_eq!(order.len(), self.len(), "a permutation is as long as its table");
                $(self.$col = order.iter().map(|&at| self.$col[at as usize]).collect();)*
            }

            time_columns!($time);
        }
    };
    (@first $self:ident, $first:ident $($rest:ident)*) => { $self.$first };
}

macro_rules! time_columns {
    (span) => {
        fn start_column(&self) -> Option<&[i64]> {
            Some(&self.start_ns)
        }
        fn duration_column(&self) -> Option<&[u64]> {
            Some(&self.duration_ns)
        }
    };
    (instant) => {
        fn start_column(&self) -> Option<&[i64]> {
            Some(&self.time_ns)
        }
        fn duration_column(&self) -> Option<&[u64]> {
            None
        }
    };
    (none) => {
        fn start_column(&self) -> Option<&[i64]> {
            None
        }
        fn duration_column(&self) -> Option<&[u64]> {
            None
        }
    };
}

/// A default that is not zero is one of the `NONE_*` values, all unsigned.
macro_rules! column_default_bits {
    () => {
        0
    };
    ($default:expr) => {
        $default as u64
    };
}

/// Adds `interval()` to row types that have a start and a duration.
macro_rules! rows_with_interval {
    ($($row:ident),*) => {$(
        impl $row {
            /// When it ran: `[start, start + duration)`.
            #[inline]
            pub fn interval(&self) -> $crate::Interval {
                $crate::Interval::from_start_and_duration(
                    $crate::TimestampNs::from_ns(self.start_ns),
                    $crate::DurationNs::from_ns(self.duration_ns),
                )
            }
        }
    )*};
}

pub(crate) use {
    column_default, column_default_bits, column_reference, define_table, rows_with_interval,
    time_columns,
};

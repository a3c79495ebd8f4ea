//! A table's columns as data: what the file format stores and checks without knowing the table.

/// What a column's values are on disk and in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Unsigned 8-bit.
    U8,
    /// Unsigned 32-bit.
    U32,
    /// Unsigned 64-bit.
    U64,
    /// Signed 64-bit.
    I64,
    /// IEEE 754 binary64.
    F64,
}

impl ColumnType {
    /// Bytes one value takes.
    pub const fn width(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// A column's name, type and the value it takes where a file does not have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnSpec {
    /// The column's name: unique in its table and stable across format versions.
    pub name: &'static str,
    /// The type of its values.
    pub ty: ColumnType,
    /// What rows of a file written before this column existed read as (bits of the type).
    pub default_bits: u64,
    /// What the values point at, when they are indices or ids of something else.
    pub reference: Reference,
}

/// What a column's values point at. Merging two captures renumbers by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reference {
    /// Plain values.
    Nothing,
    /// [`StringId`](crate::StringId)s.
    String,
    /// [`ShapeId`](crate::ShapeId)s.
    Shape,
    /// [`ProcessId`](crate::ProcessId)s.
    Process,
    /// [`DeviceId`](crate::DeviceId)s.
    Device,
    /// [`StreamId`](crate::StreamId)s.
    Stream,
    /// [`ThreadId`](crate::ThreadId)s.
    Thread,
    /// [`CounterTrackId`](crate::CounterTrackId)s.
    CounterTrack,
    /// [`SourceId`](crate::SourceId)s.
    Source,
    /// [`SpanNumber`](crate::SpanNumber)s.
    Span,
}

/// A column to read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColumnRef<'a> {
    /// Unsigned 8-bit values.
    U8(&'a [u8]),
    /// Unsigned 32-bit values.
    U32(&'a [u32]),
    /// Unsigned 64-bit values.
    U64(&'a [u64]),
    /// Signed 64-bit values.
    I64(&'a [i64]),
    /// Binary64 values.
    F64(&'a [f64]),
}

/// A column to fill.
#[derive(Debug, PartialEq)]
pub enum ColumnMut<'a> {
    /// Unsigned 8-bit values.
    U8(&'a mut Vec<u8>),
    /// Unsigned 32-bit values.
    U32(&'a mut Vec<u32>),
    /// Unsigned 64-bit values.
    U64(&'a mut Vec<u64>),
    /// Signed 64-bit values.
    I64(&'a mut Vec<i64>),
    /// Binary64 values.
    F64(&'a mut Vec<f64>),
}

impl ColumnRef<'_> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether the column has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the values.
    pub fn ty(&self) -> ColumnType {
        match self {
            Self::U8(_) => ColumnType::U8,
            Self::U32(_) => ColumnType::U32,
            Self::U64(_) => ColumnType::U64,
            Self::I64(_) => ColumnType::I64,
            Self::F64(_) => ColumnType::F64,
        }
    }
}

impl ColumnMut<'_> {
    /// The type of the values.
    pub fn ty(&self) -> ColumnType {
        match self {
            Self::U8(_) => ColumnType::U8,
            Self::U32(_) => ColumnType::U32,
            Self::U64(_) => ColumnType::U64,
            Self::I64(_) => ColumnType::I64,
            Self::F64(_) => ColumnType::F64,
        }
    }

    /// Appends `n` copies of a value given as the bits of the column's type.
    pub fn extend_with_bits(&mut self, bits: u64, n: usize) {
        match self {
            Self::U8(v) => v.resize(v.len() + n, bits as u8),
            Self::U32(v) => v.resize(v.len() + n, bits as u32),
            Self::U64(v) => v.resize(v.len() + n, bits),
            Self::I64(v) => v.resize(v.len() + n, bits as i64),
            Self::F64(v) => v.resize(v.len() + n, f64::from_bits(bits)),
        }
    }
}

/// A Rust type that can be a column's value.
pub(crate) trait ColumnValue: Copy {
    const TYPE: ColumnType;
    fn column_ref(values: &[Self]) -> ColumnRef<'_>;
    fn column_mut(values: &mut Vec<Self>) -> ColumnMut<'_>;
}

macro_rules! column_values {
    ($($ty:ty => $variant:ident;)*) => {$(
        impl ColumnValue for $ty {
            const TYPE: ColumnType = ColumnType::$variant;
            fn column_ref(values: &[Self]) -> ColumnRef<'_> {
                ColumnRef::$variant(values)
            }
            fn column_mut(values: &mut Vec<Self>) -> ColumnMut<'_> {
                ColumnMut::$variant(values)
            }
        }
    )*};
}

column_values! {
    u8 => U8;
    u32 => U32;
    u64 => U64;
    i64 => I64;
    f64 => F64;
}

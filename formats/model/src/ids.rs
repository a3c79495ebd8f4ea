//! Indices into a capture's dimension lists, and the value that means "none" in a column.

/// "None" in an 8-bit column.
pub const NONE_U8: u8 = u8::MAX;
/// "None" in a 32-bit column: no correlation id, no stream, no thread, no graph.
pub const NONE_U32: u32 = u32::MAX;
/// "None" in a 64-bit column: no external id, no size given by the source.
pub const NONE_U64: u64 = u64::MAX;
/// "None" in a signed column: a time that was not read.
pub const NONE_I64: i64 = i64::MIN;

macro_rules! index_types {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// "No such thing", as stored in a column.
            pub const NONE: Self = Self(NONE_U32);

            /// The id whose column value is `raw`.
            pub const fn from_raw(raw: u32) -> Self {
                Self(raw)
            }

            /// The id of the entry at `index`.
            ///
            /// # Panics
            /// When `index` does not fit 32 bits less the "none" value.
            pub fn from_index(index: usize) -> Self {
                let raw = u32::try_from(index).unwrap_or(NONE_U32);
                assert!(raw != NONE_U32, "more than 2^32 - 1 entries in one dimension");
                Self(raw)
            }

            /// The value as stored in a column.
            pub const fn raw(self) -> u32 {
                self.0
            }

            /// The position in the list this id points into.
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// Whether this is the "none" value.
            pub const fn is_none(self) -> bool {
                self.0 == NONE_U32
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::NONE
            }
        }
    )*};
}

index_types! {
    /// A string in the [`StringTable`](crate::StringTable).
    StringId;
    /// A launch shape in the [`ShapeTable`](crate::ShapeTable).
    ShapeId;
    /// A span of a capture, by [`Span::id`](crate::tables::Span::id).
    SpanNumber;
    /// A process in [`Dimensions::processes`](crate::Dimensions).
    ProcessId;
    /// A device in [`Dimensions::devices`](crate::Dimensions).
    DeviceId;
    /// A stream in [`Dimensions::streams`](crate::Dimensions).
    StreamId;
    /// A thread in [`Dimensions::threads`](crate::Dimensions).
    ThreadId;
    /// An input file or recording in [`Dimensions::sources`](crate::Dimensions).
    SourceId;
    /// A counter track in [`Dimensions::counter_tracks`](crate::Dimensions).
    CounterTrackId;
}

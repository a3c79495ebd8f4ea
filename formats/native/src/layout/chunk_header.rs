//! The 64 bytes in front of every chunk.
//!
//! ```text
//!  0  4  magic 55 43 48 4B  (U C H K)
//!  4  1  kind of chunk
//!  5  1  version of that kind's payload layout, 1
//!  6  2  table code; 0 when the chunk is of no table
//!  8  4  rows
//! 12  4  payload length, not counting this header
//! 16  4  sequence number: 0 for the first chunk of the file, then one more each
//! 20  4  CRC32C of the payload
//! 24  8  first row: rows of this table (entries of this dictionary) before this chunk
//! 32  8  earliest start of any row, signed nanoseconds
//! 40  8  latest end of any row; before the earliest start when the rows have no times
//! 48  4  bytes the payload decodes to
//! 52  8  zeros
//! 60  4  CRC32C of bytes 0..60
//! ```

use super::cursor::Cursor;
use super::limits;
use crate::error::LayoutError;

/// Bytes a chunk begins with.
pub(crate) const CHUNK_MAGIC: [u8; 4] = *b"UCHK";
/// Length of a chunk header.
pub(crate) const CHUNK_HEADER_LEN: usize = 64;
/// Time bounds of rows without times.
pub(crate) const NO_TIMES: (i64, i64) = (i64::MAX, i64::MIN);

macro_rules! chunk_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// What a chunk holds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ChunkKind {
            $($(#[$doc])* $name,)*
            /// Something of a later version.
            Unknown(u8),
        }

        impl ChunkKind {
            /// The number that stands for this kind in files.
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* Self::Unknown(code) => code }
            }

            /// The kind with this number.
            pub const fn from_code(code: u8) -> Self {
                match code { $($code => Self::$name,)* other => Self::Unknown(other) }
            }

            /// The name reports use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Unknown(_) => "unknown" }
            }
        }
    };
}

chunk_kinds! {
    /// Rows of an event table.
    Rows = 1, "rows";
    /// Entries of a dimension list; they replace entries already there.
    Dimension = 2, "dimension";
    /// Strings.
    Strings = 3, "strings";
    /// Launch shapes.
    Shapes = 4, "shapes";
    /// What the capture as a whole is; the last one counts.
    Info = 5, "info";
    /// The problem ledger; the last one counts.
    Problems = 6, "problems";
    /// The writer finished; says how many rows each table has.
    End = 7, "end";
    /// Stored levels of the level-of-detail pyramid.
    Lod = 8, "lod";
    /// The index, a flatbuffer.
    Index = 9, "index";
    /// A run of other chunks, modelled: see `pack`.
    Pack = 10, "pack";
}

/// The 64 bytes in front of every chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    pub(crate) kind: ChunkKind,
    /// Version of the payload layout.
    pub(crate) layout: u8,
    pub(crate) table: u16,
    pub(crate) rows: u32,
    pub(crate) payload_len: u32,
    pub(crate) sequence: u32,
    pub(crate) payload_crc: u32,
    pub(crate) first_row: u64,
    /// Earliest start and latest end, [`NO_TIMES`] when the rows have none.
    pub(crate) times: (i64, i64),
    /// Bytes the payload decodes to.
    pub(crate) decoded_len: u32,
}

impl ChunkHeader {
    /// Version of the payload layouts this program writes and reads.
    pub(crate) const LAYOUT: u8 = 1;

    pub(crate) fn to_bytes(self) -> [u8; CHUNK_HEADER_LEN] {
        let mut bytes = [0; CHUNK_HEADER_LEN];
        bytes[0..4].copy_from_slice(&CHUNK_MAGIC);
        bytes[4] = self.kind.code();
        bytes[5] = self.layout;
        bytes[6..8].copy_from_slice(&self.table.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.rows.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_row.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.times.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.times.1.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.decoded_len.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the front of `bytes` and checks its checksum and bounds.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, LayoutError> {
        const WHAT: &str = "chunk header";
        let mut cursor = Cursor::new(bytes);
        let covered = cursor.clone().bytes(60, WHAT)?;
        let magic: [u8; 4] = cursor.array(WHAT)?;
        if magic != CHUNK_MAGIC {
            let (expected, found) = (u32::from_be_bytes(CHUNK_MAGIC), u32::from_be_bytes(magic));
            return Err(LayoutError::new(
                0,
                "magic of a chunk",
                format_args!("{expected:08x}"),
                format_args!("{found:08x}"),
            ));
        }
        let header = Self {
            kind: ChunkKind::from_code(cursor.u8(WHAT)?),
            layout: cursor.u8(WHAT)?,
            table: cursor.u16(WHAT)?,
            rows: cursor.u32(WHAT)?,
            payload_len: cursor.u32(WHAT)?,
            sequence: cursor.u32(WHAT)?,
            payload_crc: cursor.u32(WHAT)?,
            first_row: cursor.u64(WHAT)?,
            times: (cursor.i64(WHAT)?, cursor.i64(WHAT)?),
            decoded_len: cursor.u32(WHAT)?,
        };
        cursor.bytes(8, WHAT)?;
        let (crc, computed) = (cursor.u32(WHAT)?, crc32c::crc32c(covered));
        if crc != computed {
            return Err(LayoutError::new(
                60,
                "checksum of a chunk header",
                format_args!("{computed:08x}"),
                format_args!("{crc:08x}"),
            ));
        }
        header.check_bounds()?;
        Ok(header)
    }

    /// Whether all lengths and counts are within what the format allows.
    pub(crate) fn check_bounds(&self) -> Result<(), LayoutError> {
        let bounded = |offset, what, value: u64, limit: u64| {
            if value <= limit {
                return Ok(());
            }
            Err(LayoutError::new(offset, what, format_args!("at most {limit}"), value))
        };
        bounded(8, "rows of a chunk", self.rows.into(), limits::MAX_CHUNK_ROWS.into())?;
        bounded(12, "length of a chunk", self.payload_len.into(), limits::MAX_PAYLOAD_LEN.into())?;
        let decoded_limit = limits::MAX_DECODED_LEN.into();
        bounded(48, "decoded length of a chunk", self.decoded_len.into(), decoded_limit)?;
        bounded(24, "first row of a chunk", self.first_row, u64::MAX / 4)
    }

    /// Whether any row may lie in the half-open time range; rows without times may.
    #[cfg(feature = "reader")]
    pub(crate) fn may_overlap(&self, range: underspan_model::Interval) -> bool {
        let (earliest, latest) = self.times;
        earliest > latest || earliest < range.end().as_ns() && latest >= range.start().as_ns()
    }
}

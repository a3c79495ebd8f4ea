//! The first 64 bytes of a file.
//!
//! ```text
//!  0  8  magic 89 55 53 50 41 4E 0D 0A  (\x89 U S P A N \r \n)
//!  8  2  version of the format that the file is written in: 2 with packs, 1 without
//! 10  2  lowest version a reader must know
//! 12  4  length of this header, 64
//! 16 44  zeros
//! 60  4  CRC32C of bytes 0..60
//! ```
//! All numbers are little-endian. The magic begins with a byte that is no text and ends with the
//! line ending that careless transfers change.

use std::path::Path;

use super::cursor::Cursor;
use crate::error::{Error, LayoutError, Result};

/// Bytes a file begins with.
pub(crate) const FILE_MAGIC: [u8; 8] = *b"\x89USPAN\r\n";
/// Length of the file header.
pub(crate) const FILE_HEADER_LEN: usize = 64;
/// Highest version of the format that this program reads.
pub const FORMAT_VERSION: u16 = 2;
/// Version of files without packs: nothing in them is newer.
const PLAIN_VERSION: u16 = 1;
/// Version that packs came with.
const PACKED_VERSION: u16 = 2;

/// The first 64 bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// Version of the format that the file is written in.
    pub(crate) version: u16,
}

impl FileHeader {
    /// Of a file without packs.
    pub(crate) const PLAIN: Self = Self { version: PLAIN_VERSION };
    /// Of a file that may have packs.
    #[cfg(feature = "reader")]
    pub(crate) const PACKED: Self = Self { version: PACKED_VERSION };

    /// Whether the file may have packs.
    #[cfg(feature = "reader")]
    pub(crate) fn may_have_packs(self) -> bool {
        self.version >= PACKED_VERSION
    }

    pub(crate) fn to_bytes(self) -> [u8; FILE_HEADER_LEN] {
        let mut bytes = [0; FILE_HEADER_LEN];
        bytes[..8].copy_from_slice(&FILE_MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..16].copy_from_slice(&(FILE_HEADER_LEN as u32).to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the front of `file`.
    pub(crate) fn parse(file: &[u8], path: &Path) -> Result<Self> {
        if !file.starts_with(&FILE_MAGIC) {
            return Err(Error::NotUspan {
                path: path.to_owned(),
                expected: hex(&FILE_MAGIC),
                found: match file.len() {
                    0 => "an empty file".to_owned(),
                    _ => hex(&file[..file.len().min(8)]),
                },
            });
        }
        let fields = || {
            let mut cursor = Cursor::new(file);
            let covered = cursor.clone().bytes(60, "file header")?;
            cursor.bytes(8, "file header")?;
            let version = cursor.u16("file header")?;
            let lowest_reader = cursor.u16("file header")?;
            cursor.bytes(48, "file header")?;
            let crc = cursor.u32("file header")?;
            let computed = crc32c::crc32c(covered);
            if crc != computed {
                return Err(LayoutError::new(
                    60,
                    "checksum of the file header",
                    format_args!("{computed:08x}"),
                    format_args!("{crc:08x}"),
                ));
            }
            Ok((version, lowest_reader))
        };
        let (version, lowest_reader) = fields().map_err(|fault| fault.in_file(path, 0))?;
        if lowest_reader > FORMAT_VERSION {
            return Err(Error::UnsupportedVersion {
                path: path.to_owned(),
                found: lowest_reader,
                supported: FORMAT_VERSION,
            });
        }
        Ok(Self { version })
    }
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

//! Strings in id order.
//!
//! ```text
//! 0  1  storage of the rest: 1 raw, 2 zstd
//! 1  …  when decoded: per string 4 bytes with its length, then the texts end to end
//! ```

use crate::codec::{Packer, Unpacker};
use crate::error::LayoutError;
use crate::layout::Cursor;

const RAW: u8 = 1;
const ZSTD: u8 = 2;

/// Appends the payload to `out` and returns how many bytes it decodes to.
pub(crate) fn write_strings(strings: &[&str], packer: &mut Packer, out: &mut Vec<u8>) -> u32 {
    let mut decoded = Vec::new();
    append_decoded(strings, &mut decoded);
    let storage = out.len();
    out.push(ZSTD);
    if packer.pack(&decoded, out).is_none() {
        out[storage] = RAW;
        out.extend_from_slice(&decoded);
    }
    decoded.len() as u32
}

/// The same, never compressed.
#[cfg(feature = "reader")]
pub(crate) fn write_strings_raw(strings: &[&str], out: &mut Vec<u8>) -> u32 {
    out.push(RAW);
    let before = out.len();
    append_decoded(strings, out);
    (out.len() - before) as u32
}

fn append_decoded(strings: &[&str], out: &mut Vec<u8>) {
    for text in strings {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    }
    for text in strings {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Decodes chunks of strings; keeps its buffer from one to the next.
#[derive(Debug)]
pub(crate) struct StringsReader {
    unpacker: Unpacker,
    decoded: Vec<u8>,
}

impl StringsReader {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { unpacker: Unpacker::new()?, decoded: Vec::new() })
    }

    /// Calls `visit` with each of the `rows` strings of a payload that decodes to `decoded_len`
    /// bytes.
    pub(crate) fn read(
        &mut self,
        payload: &[u8],
        rows: u32,
        decoded_len: u32,
        mut visit: impl FnMut(&str),
    ) -> Result<(), LayoutError> {
        let mut cursor = Cursor::new(payload);
        let storage = cursor.u8("storage of strings")?;
        let body = cursor.bytes(cursor.remaining(), "strings")?;
        let decoded_len = decoded_len as usize;
        self.decoded.clear();
        match storage {
            RAW if body.len() == decoded_len => self.decoded.extend_from_slice(body),
            RAW => return Err(LayoutError::new(1, "length of strings", decoded_len, body.len())),
            ZSTD => {
                self.decoded.resize(decoded_len, 0);
                self.unpacker.unpack(body, &mut self.decoded).map_err(|found| {
                    let expected = format_args!("{decoded_len} bytes").to_string();
                    LayoutError::new(1, "compressed strings", expected, found)
                })?;
            }
            other => return Err(LayoutError::new(0, "storage of strings", "1 or 2", other)),
        }
        // From here on, offsets would be in decoded bytes; faults point at the body's front.
        let locate = |fault: LayoutError| LayoutError { offset: 1, ..fault };
        let mut lengths = Cursor::new(&self.decoded);
        let n_length_bytes = (rows as usize).saturating_mul(4);
        lengths.bytes(n_length_bytes, "lengths of strings").map_err(locate)?;
        let mut texts = lengths;
        let mut lengths = Cursor::new(&self.decoded);
        for _ in 0..rows {
            let len = lengths.u32("length of a string").map_err(locate)?;
            visit(texts.text(len as usize, "string").map_err(locate)?);
        }
        texts.finish("strings").map_err(locate)
    }
}

//! Keys and values as text.
//!
//! ```text
//! 0  2  entries
//! …     per entry: 2 length of the key, the key, 4 length of the value, the value
//! ```

use crate::error::LayoutError;
use crate::layout::Cursor;

pub(crate) fn write(entries: &[(&str, &str)], out: &mut Vec<u8>) {
    out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    for (key, value) in entries {
        out.extend_from_slice(&(key.len() as u16).to_le_bytes());
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(value.as_bytes());
    }
}

pub(crate) fn read(payload: &[u8]) -> Result<Vec<(&str, &str)>, LayoutError> {
    let mut cursor = Cursor::new(payload);
    let n_entries = cursor.u16("number of entries")?;
    let mut entries = Vec::new();
    for _ in 0..n_entries {
        let key_len = cursor.u16("length of a key")?;
        let key = cursor.text(key_len.into(), "key")?;
        let value_len = cursor.u32("length of a value")?;
        entries.push((key, cursor.text(value_len as usize, "value")?));
    }
    cursor.finish("entries")?;
    Ok(entries)
}

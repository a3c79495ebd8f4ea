//! Reading bytes in order without ever leaving them.

use crate::error::LayoutError;

/// A position in a run of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// The next `len` bytes.
    pub(crate) fn bytes(
        &mut self,
        len: usize,
        what: &'static str,
    ) -> Result<&'a [u8], LayoutError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let Some(taken) = rest.get(..len) else {
            return Err(LayoutError::new(
                self.offset,
                what,
                format_args!("{len} bytes"),
                format_args!("{} bytes before the end", rest.len()),
            ));
        };
        self.offset += len;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], LayoutError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, what)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, LayoutError> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, LayoutError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, LayoutError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, LayoutError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// The next number as [`super::put_varint`] writes it.
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, LayoutError> {
        let offset = self.offset;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(self.u8(what)?);
            let bits = byte & 0x7f;
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(LayoutError::new(offset, what, "a number of 64 bits", "a longer one"))
    }

    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, LayoutError> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// The next `len` bytes as text.
    pub(crate) fn text(&mut self, len: usize, what: &'static str) -> Result<&'a str, LayoutError> {
        let offset = self.offset;
        std::str::from_utf8(self.bytes(len, what)?).map_err(|error| {
            LayoutError::new(
                offset + error.valid_up_to(),
                what,
                "UTF-8 text",
                "a byte that is not UTF-8",
            )
        })
    }

    /// Faults unless everything was read.
    pub(crate) fn finish(&self, what: &'static str) -> Result<(), LayoutError> {
        if self.remaining() == 0 {
            return Ok(());
        }
        Err(LayoutError::new(
            self.offset,
            what,
            "the end",
            format_args!("{} more bytes", self.remaining()),
        ))
    }
}

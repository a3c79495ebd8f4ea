//! Reading numbers from a payload.

use crate::MembershipError;

/// A place in a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the whole payload, for messages.
    base: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.base + self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn malformed(&self, expected: &'static str) -> MembershipError {
        MembershipError::Malformed { offset: self.offset(), expected }
    }

    pub(crate) fn take(
        &mut self,
        length: usize,
        expected: &'static str,
    ) -> Result<&'a [u8], MembershipError> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.malformed(expected))?;
        self.at += length;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        expected: &'static str,
    ) -> Result<[u8; N], MembershipError> {
        let taken = self.take(N, expected)?;
        taken.try_into().map_err(|_| self.malformed(expected))
    }

    pub(crate) fn u8(&mut self, expected: &'static str) -> Result<u8, MembershipError> {
        self.array::<1>(expected).map(|[byte]| byte)
    }

    /// An unsigned LEB128 number that fits 64 bits.
    pub(crate) fn varint(&mut self, expected: &'static str) -> Result<u64, MembershipError> {
        let start = *self;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(expected)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(start.malformed(expected))
    }

    /// A varint that fits 32 bits.
    pub(crate) fn varint_u32(&mut self, expected: &'static str) -> Result<u32, MembershipError> {
        let start = *self;
        u32::try_from(self.varint(expected)?).map_err(|_| start.malformed(expected))
    }

    /// A count of entries, each at least one byte, that still fit into the payload.
    pub(crate) fn count(&mut self, expected: &'static str) -> Result<usize, MembershipError> {
        let start = *self;
        let count = usize::try_from(self.varint(expected)?).unwrap_or(usize::MAX);
        if count > self.remaining() {
            return Err(start.malformed(expected));
        }
        Ok(count)
    }

    /// A part of the payload with its own end.
    pub(crate) fn part(
        &mut self,
        length: usize,
        expected: &'static str,
    ) -> Result<Cursor<'a>, MembershipError> {
        let base = self.offset();
        Ok(Cursor { bytes: self.take(length, expected)?, at: 0, base })
    }

    /// Everything up to the end.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }
}

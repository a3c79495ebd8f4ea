//! The wire format of protobuf: fields of a message as slices of it. Nothing is allocated, no
//! length is believed. The reader of spool files has the same rules.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Where a message breaks its format, counted in it, and what must stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireFault {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// The fields of a message, in order. After a fault there are no more.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Bytes that were passed.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    fn fault<T>(&mut self, at: usize, expected: &'static str) -> Result<T, WireFault> {
        self.at = self.message.len();
        Err(WireFault { at, expected })
    }

    fn field(&mut self) -> Result<(u32, Field<'a>), WireFault> {
        let start = self.at;
        let tag = self.varint()?;
        let Ok(number) = u32::try_from(tag >> 3) else {
            return self.fault(start, "a field number");
        };
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = self.varint()?;
                let rest = &self.message[self.at..];
                let Some(bytes) = usize::try_from(length).ok().and_then(|n| rest.get(..n)) else {
                    return self.fault(start, "a field that ends within its message");
                };
                self.at += bytes.len();
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => return self.fault(start, "a field of a known wire type"),
        };
        if number == 0 {
            return self.fault(start, "a field number");
        }
        Ok((number, field))
    }

    fn varint(&mut self) -> Result<u64, WireFault> {
        match varint(&self.message[self.at..]) {
            Some((value, length)) => {
                self.at += length;
                Ok(value)
            }
            None => self.fault(self.at, "a varint"),
        }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireFault> {
        match self.message[self.at..].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => self.fault(self.at, "a number of fixed width"),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), WireFault>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.message.len()).then(|| self.field())
    }
}

impl From<WireFault> for super::Fault {
    fn from(fault: WireFault) -> Self {
        Self::Protobuf { at: fault.at, expected: fault.expected }
    }
}

/// A varint at the beginning of `bytes`, and its length. `None` when it does not end or is wider
/// than 64 bits.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends what stands in front of a field's value.
pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends a field with bytes in it.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn faults_end_a_message() {
        let absurd = [0x08, 1, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1];
        let fields: Vec<_> = Fields::of(&absurd).collect();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[1].map_err(|fault| fault.at), Err(2));
        for cut in [&[0x08][..], &[0x80], &[0x11, 1], &[0x25], &[0x0a, 5, 1], &[0x0b], &[0x00, 1]] {
            assert!(Fields::of(cut).any(|field| field.is_err()), "{cut:?}");
        }
        assert_eq!(varint(&[0xff; 11]), None);
    }

    proptest! {
        #[test]
        fn what_was_put_is_read(number in 1_u32..(1 << 29), value: u64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            put_tag(&mut out, number, 0);
            put_varint(&mut out, value);
            put_bytes(&mut out, number, &bytes);
            let fields: Result<Vec<_>, _> = Fields::of(&out).collect();
            prop_assert_eq!(
                fields,
                Ok(vec![(number, Field::Varint(value)), (number, Field::Bytes(&bytes))])
            );
        }
    }
}

//! Fields of a message, one after the other.

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// Wire type 0: a whole number of at most 64 bits.
    Varint(u64),
    /// Wire type 1: eight bytes, lowest first.
    Fixed64(u64),
    /// Wire type 2: bytes, a text or a message of its own.
    Bytes(&'a [u8]),
    /// Wire type 5: four bytes, lowest first.
    Fixed32(u32),
}

/// Where a message breaks its format, counted in it, and what must stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireFault {
    /// First byte of what breaks it.
    pub at: usize,
    /// What must stand there, in words for a person.
    pub expected: &'static str,
}

/// The fields of a message, in order, each with its number. After a fault there are no more.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of `message`, which is all of it.
    pub fn of(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Bytes that were passed.
    pub fn position(&self) -> usize {
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

/// A varint at the beginning of `bytes`, and its length. `None` when it does not end or is wider
/// than 64 bits.
pub fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_every_wire_type() {
        let message = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x11, 1, 0, 0, 0, 0, 0, 0, 0, // 2: fixed64 1
            0x1a, 2, b'h', b'i', // 3: bytes
            0x25, 7, 0, 0, 0, // 4: fixed32
        ];
        let fields: Result<Vec<_>, _> = Fields::of(&message).collect();
        let expected = vec![
            (1, Field::Varint(150)),
            (2, Field::Fixed64(1)),
            (3, Field::Bytes(b"hi")),
            (4, Field::Fixed32(7)),
        ];
        assert_eq!(fields, Ok(expected));
    }

    #[test]
    fn faults_say_where_and_end_the_message() {
        let absurd = [0x08, 1, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1];
        let fields: Vec<_> = Fields::of(&absurd).collect();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[1].map_err(|fault| fault.at), Err(2));
        for cut in [&[0x08][..], &[0x80], &[0x11, 1], &[0x25], &[0x0a, 5, 1], &[0x0b], &[0x00, 1]] {
            assert!(Fields::of(cut).any(|field| field.is_err()), "{cut:?}");
        }
        assert_eq!(varint(&[0xff; 11]), None);
        assert_eq!(
            varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            Some((u64::MAX, 10))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let n = Fields::of(&bytes).count();
            prop_assert!(n <= bytes.len());
        }
    }
}

//! The bytes of fields.

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends what stands in front of a field's value.
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends a field with bytes in it.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Field, Fields};

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

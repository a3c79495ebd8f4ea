//! Numbers in as few bytes as they need: seven bits a byte, the lowest first, the top bit set on
//! all but the last (LEB128).

/// Appends `value`.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

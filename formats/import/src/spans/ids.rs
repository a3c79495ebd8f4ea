//! Trace and span ids in the ways exports write them.

/// A trace id in two halves. All zero means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct TraceId {
    pub(crate) high: u64,
    pub(crate) low: u64,
}

impl TraceId {
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Sixteen bytes, the highest first, as protobuf holds them. `None` for another length.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let value = u128::from_be_bytes(bytes.try_into().ok()?);
        Some(Self::from_u128(value))
    }

    pub(crate) const fn from_u128(value: u128) -> Self {
        Self { high: (value >> 64) as u64, low: value as u64 }
    }
}

/// Eight bytes, the highest first; empty for none. `None` for another length.
pub(crate) fn span_id_from_bytes(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return Some(0);
    }
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// A trace id in hexadecimal digits (up to 32; short ones count as their low end, as 64-bit ids of
/// Zipkin and Jaeger do) or in the base64 of its sixteen bytes. `None` for anything else.
pub(crate) fn trace_id_from_text(text: &str) -> Option<TraceId> {
    if let Some(bytes) = base64_of::<16>(text) {
        return TraceId::from_bytes(&bytes);
    }
    hex(text, 32).map(TraceId::from_u128)
}

/// A span id in hexadecimal digits (up to 16) or in the base64 of its eight bytes; empty for none.
/// `None` for anything else.
pub(crate) fn span_id_from_text(text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    if let Some(bytes) = base64_of::<8>(text) {
        return span_id_from_bytes(&bytes);
    }
    hex(text, 16).map(|value| value as u64)
}

fn hex(text: &str, n_digits: usize) -> Option<u128> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || text.len() > n_digits {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// Base64 (RFC 4648, either alphabet, padded or not) of exactly `N` bytes. Lengths tell it from
/// hexadecimal: 16 bytes are 22 or 24 characters, 8 bytes 11 or 12; of those lengths, hexadecimal
/// digits alone are taken for what they are unless there is padding.
fn base64_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let n_digits = (N * 8).div_ceil(6);
    let digits = text.trim_end_matches('=');
    let is_padded = digits.len() < text.len();
    if digits.len() != n_digits || is_padded && text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    if !is_padded && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    let (mut held, mut n_held, mut at) = (0_u32, 0, 0);
    for digit in digits.bytes() {
        held = (held << 6) | sextet(digit)?;
        n_held += 6;
        if n_held >= 8 {
            n_held -= 8;
            *bytes.get_mut(at)? = (held >> n_held) as u8;
            at += 1;
            held &= (1 << n_held) - 1;
        }
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_in_every_way_of_writing() {
        let id = TraceId::from_u128(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        for text in [
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "4BF92F3577B34DA6A3CE929D0E0E4736",
            "S/kvNXezTaajzpKdDg5HNg==",
            "S_kvNXezTaajzpKdDg5HNg",
        ] {
            assert_eq!(trace_id_from_text(text), Some(id), "{text}");
        }
        let low = TraceId { high: 0, low: 0xa3ce_929d_0e0e_4736 };
        assert_eq!(trace_id_from_text("a3ce929d0e0e4736"), Some(low));
        assert_eq!(trace_id_from_text("0000000000000000a3ce929d0e0e4736"), Some(low));
        for text in ["00f067aa0ba902b7", "APBnqgupArc=", "APBnqgupArc", "f067aa0ba902b7"] {
            assert_eq!(span_id_from_text(text), Some(0x00f0_67aa_0ba9_02b7), "{text}");
        }
        assert_eq!(span_id_from_text(""), Some(0));
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in
            ["", "xyz", "4bf92f3577b34da6a3ce929d0e0e47361", "S/kvNXezTaajzpKdDg5H", "+1", "é"]
        {
            assert_eq!(trace_id_from_text(text), None, "{text}");
        }
        assert_eq!(span_id_from_text("4bf92f3577b34da6a3ce929d0e0e4736"), None);
        assert_eq!(TraceId::from_bytes(&[1; 15]), None);
        assert_eq!(span_id_from_bytes(&[1; 9]), None);
    }
}

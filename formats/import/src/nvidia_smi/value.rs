//! One value as `nvidia-smi` prints it.

/// One value as `nvidia-smi` prints it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    /// A number and the unit behind it, empty when there is none.
    Number(f64, &'a str),
    Text(&'a str),
    /// The device does not have it.
    Absent,
    /// It could not be read.
    Failed,
}

/// Words for what a device does not have.
const ABSENT: [&str; 6] = ["N/A", "Not Supported", "Not Found", "Not Available", "-", ""];
/// Words for what could not be read.
const FAILED: [&str; 5] =
    ["Unknown Error", "ERR!", "GPU requires reset", "Insufficient Permissions", "Unknown"];
/// Words for truth and its opposite.
const TRUE: [&str; 4] = ["Active", "Enabled", "Yes", "On"];
const FALSE: [&str; 4] = ["Not Active", "Disabled", "No", "Off"];

pub(super) fn value(text: &str) -> Value<'_> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).trim();
    if ABSENT.contains(&bare) {
        return Value::Absent;
    }
    if FAILED.contains(&bare) {
        return Value::Failed;
    }
    if TRUE.contains(&text) {
        return Value::Number(1.0, "");
    }
    if FALSE.contains(&text) {
        return Value::Number(0.0, "");
    }
    if let Some(bits) = text.strip_prefix("0x").and_then(|t| u64::from_str_radix(t, 16).ok()) {
        return Value::Number(bits as f64, "");
    }
    // Performance states: P0 is the fastest.
    if let Some(state) = text.strip_prefix('P').and_then(|t| t.parse::<u8>().ok()) {
        return Value::Number(f64::from(state), "");
    }
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && is_unit(unit) => Value::Number(value, unit.trim()),
        _ => Value::Text(text),
    }
}

fn is_unit(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '%' | '/' | ' ' | '.'))
        && text.len() <= 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_every_way_of_printing() {
        for (text, expected) in [
            ("1695 MHz", Value::Number(1695.0, "MHz")),
            (" 27.47 W", Value::Number(27.47, "W")),
            ("0 %", Value::Number(0.0, "%")),
            ("55", Value::Number(55.0, "")),
            ("0x0000000000000009", Value::Number(9.0, "")),
            ("P8", Value::Number(8.0, "")),
            ("Not Active", Value::Number(0.0, "")),
            ("Active", Value::Number(1.0, "")),
            ("[N/A]", Value::Absent),
            ("N/A", Value::Absent),
            ("[Not Supported]", Value::Absent),
            ("-", Value::Absent),
            ("[Unknown Error]", Value::Failed),
            ("NVIDIA A10", Value::Text("NVIDIA A10")),
            ("590.48.01", Value::Text("590.48.01")),
            ("nan", Value::Text("nan")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }
}

//! Times of samples.

use crate::civil_time::{SECOND_NS, fraction_ns};

/// From this many on, a timestamp counts milliseconds: as seconds it were the year 5138, as
/// milliseconds it is 1973.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// A timestamp of a sample as nanoseconds, every digit kept.
pub(super) fn timestamp_ns(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !is_plain || whole.is_empty() {
        // `1.7e9` and the like.
        let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite() && s.abs() < 9e9)?;
        return Some((seconds * SECOND_NS as f64).round() as i64);
    }
    let whole = whole.parse::<i64>().ok()?;
    let ns = if whole >= MILLISECONDS_FROM {
        let below = fraction_ns(fraction)? / 1_000;
        whole.checked_mul(SECOND_NS / 1_000)?.checked_add(below)?
    } else {
        whole.checked_mul(SECOND_NS)?.checked_add(fraction_ns(fraction)?)?
    };
    Some(sign * ns)
}

/// A time of the years 2015 to 2100 that a file name holds in digits: nanoseconds, microseconds,
/// milliseconds or seconds since the epoch.
pub(super) fn time_in_name(name: &str) -> Option<i64> {
    const FROM: i64 = 1_420_070_400 * SECOND_NS;
    const TO: i64 = 4_102_444_800 * SECOND_NS;
    name.split(|c: char| !c.is_ascii_digit()).rev().find_map(|digits| {
        let scale = match digits.len() {
            19 => 1,
            16 => 1_000,
            13 => 1_000_000,
            10 => SECOND_NS,
            _ => return None,
        };
        digits.parse::<i64>().ok()?.checked_mul(scale).filter(|ns| (FROM..TO).contains(ns))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds_are_told_apart_and_exact() {
        for (text, ns) in [
            ("1797534620.576", Some(1_797_534_620_576_000_000)),
            ("1797534620.123456789", Some(1_797_534_620_123_456_789)),
            ("1797534620", Some(1_797_534_620_000_000_000)),
            ("1797534620576", Some(1_797_534_620_576_000_000)),
            ("0", Some(0)),
            ("-1.5", Some(-1_500_000_000)),
            ("1.5e9", Some(1_500_000_000_000_000_000)),
            ("1e400", None),
            ("9223372036854775807", None),
            ("x", None),
        ] {
            assert_eq!(timestamp_ns(text), ns, "{text}");
        }
    }

    #[test]
    fn names_hold_times_of_our_years_only() {
        assert_eq!(time_in_name("m_000_1795362614426001856.txt"), Some(1_795_362_614_426_001_856));
        assert_eq!(time_in_name("scrape-1795362614.prom"), Some(1_795_362_614_000_000_000));
        assert_eq!(time_in_name("metrics_0.txt"), None);
        assert_eq!(time_in_name("id_9999999999.txt"), None);
        assert_eq!(time_in_name("20261218.txt"), None);
    }
}

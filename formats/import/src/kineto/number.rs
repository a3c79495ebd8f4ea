//! Numbers of a trace, from decimal text, without a detour through floating point.
//!
//! Times are microseconds with up to three digits after the point (nanoseconds). At the size of
//! an epoch a binary64 cannot hold them: 1712867402348256.123 is off by up to 125 ns.

/// A time or length of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Time {
    /// Not given, or `null`.
    #[default]
    Absent,
    Ns(i64),
    /// Given with more digits than a nanosecond has.
    RoundedNs(i64),
    Unusable(Unusable),
}

/// A whole number: an id, a size, a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Whole {
    /// Not given, or `null`.
    #[default]
    Absent,
    Natural(u64),
    Negative(i64),
    Unusable(Unusable),
}

/// Why a number cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// NaN or an infinity.
    NotFinite,
    /// Larger than its field.
    OutOfRange,
    /// Not a number, or not a whole one.
    WrongType,
}

/// Digits read as a whole, and the power of ten they are to be scaled by.
struct Decimal {
    is_negative: bool,
    digits: u64,
    exponent: i32,
    /// Digits beyond what `digits` holds were dropped, and not all were zero.
    is_inexact: bool,
}

/// A time given in microseconds.
#[inline]
pub(super) fn micros(text: &[u8]) -> Time {
    match plain_micros(text) {
        Some(ns) => Time::Ns(ns),
        None => any_micros(text),
    }
}

/// Up to 16 digits, a point and up to three more: what traces write.
#[inline]
fn plain_micros(text: &[u8]) -> Option<i64> {
    let mut micros = 0_u64;
    let mut at = 0;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|d| *d < 10) {
        micros = micros.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    if at == 0 || at > 15 && (at > 16 || micros > (i64::MAX / 1000 - 1) as u64) {
        return None;
    }
    let fraction = match text.get(at..)? {
        [] => 0,
        [b'.', a] => digit(*a)? * 100,
        [b'.', a, b] => digit(*a)? * 100 + digit(*b)? * 10,
        [b'.', a, b, c] => digit(*a)? * 100 + digit(*b)? * 10 + digit(*c)?,
        _ => return None,
    };
    Some((micros * 1000 + fraction) as i64)
}

#[inline]
fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[cold]
fn any_micros(text: &[u8]) -> Time {
    if text == b"null" {
        return Time::Absent;
    }
    let Some(decimal) = decimal(text) else { return Time::Unusable(unusable_word(text)) };
    let Some((magnitude, is_rounded)) = scaled(&decimal, 3) else {
        return Time::Unusable(Unusable::OutOfRange);
    };
    let Ok(magnitude) = i64::try_from(magnitude) else {
        return Time::Unusable(Unusable::OutOfRange);
    };
    let ns = if decimal.is_negative { -magnitude } else { magnitude };
    if is_rounded { Time::RoundedNs(ns) } else { Time::Ns(ns) }
}

/// A whole number, written in any way: `7`, `7.0`, `0x7`, `7e0`.
#[inline]
pub(super) fn whole(text: &[u8]) -> Whole {
    if text.is_empty() || text.len() > 19 {
        return any_whole(text);
    }
    let mut value = 0_u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return any_whole(text);
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Whole::Natural(value)
}

#[cold]
fn any_whole(text: &[u8]) -> Whole {
    if text == b"null" || text.is_empty() {
        return Whole::Absent;
    }
    if let Some(hex) = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")) {
        let digits = std::str::from_utf8(hex).ok().filter(|hex| !hex.starts_with('+'));
        return match digits.map(|hex| u64::from_str_radix(hex, 16)) {
            Some(Ok(value)) => Whole::Natural(value),
            _ => Whole::Unusable(Unusable::WrongType),
        };
    }
    let Some(decimal) = decimal(text) else { return Whole::Unusable(unusable_word(text)) };
    match scaled(&decimal, 0) {
        None => Whole::Unusable(Unusable::OutOfRange),
        // More digits in front of the point than 64 bits hold.
        Some((_, true)) if decimal.exponent > 0 => Whole::Unusable(Unusable::OutOfRange),
        Some((_, true)) => Whole::Unusable(Unusable::WrongType),
        Some((magnitude, false)) if decimal.is_negative && magnitude > 0 => {
            match i64::try_from(magnitude) {
                Ok(magnitude) => Whole::Negative(-magnitude),
                Err(_) => Whole::Unusable(Unusable::OutOfRange),
            }
        }
        Some((magnitude, false)) => Whole::Natural(magnitude),
    }
}

/// The value of a counter, or why it has none.
pub(super) fn real(text: &[u8]) -> Result<f64, Unusable> {
    if decimal(text).is_none() {
        return Err(unusable_word(text));
    }
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    value.filter(|value| value.is_finite()).ok_or(Unusable::OutOfRange)
}

/// Whether a token is a value JSON has.
pub(super) fn is_json_token(text: &[u8]) -> bool {
    matches!(text, b"true" | b"false" | b"null") || decimal(text).is_some()
}

fn unusable_word(text: &[u8]) -> Unusable {
    let word = match text {
        [b'-' | b'+', word @ ..] => word,
        word => word,
    };
    let is_not_finite = [&b"nan"[..], b"inf", b"infinity", b"nan(ind)", b"nan(snan)"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name));
    if is_not_finite { Unusable::NotFinite } else { Unusable::WrongType }
}

/// Reads `[-]digits[.digits][e[±]digits]`.
fn decimal(text: &[u8]) -> Option<Decimal> {
    let (is_negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut decimal = Decimal { is_negative, digits: 0, exponent: 0, is_inexact: false };
    let mut is_fraction = false;
    let mut n_digits = 0_usize;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'.' && !is_fraction && n_digits > 0 {
            is_fraction = true;
            // A point needs a digit behind it.
            digit(*tail.first()?)?;
        } else if let Some(digit) = digit(byte) {
            n_digits += 1;
            let grown = decimal.digits.checked_mul(10).and_then(|d| d.checked_add(digit));
            match grown.filter(|_| !decimal.is_inexact) {
                Some(digits) => {
                    decimal.digits = digits;
                    decimal.exponent -= i32::from(is_fraction);
                }
                // A whole digit that does not fit makes the number larger; a fraction digit
                // that does not fit only makes it inexact.
                None if !is_fraction => decimal.exponent = decimal.exponent.saturating_add(1),
                None => {}
            }
            if grown.is_none() {
                decimal.is_inexact |= digit != 0 || !is_fraction;
            }
        } else {
            break;
        }
        rest = tail;
    }
    if n_digits == 0 {
        return None;
    }
    if let Some((b'e' | b'E', tail)) = rest.split_first() {
        let (is_negative, digits) = match tail {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        if digits.is_empty() {
            return None;
        }
        let mut exponent = 0_i32;
        for byte in digits {
            let digit = i32::try_from(digit(*byte)?).ok()?;
            exponent = exponent.saturating_mul(10).saturating_add(digit);
        }
        let exponent = if is_negative { -exponent } else { exponent };
        decimal.exponent = decimal.exponent.saturating_add(exponent);
        rest = &[];
    }
    rest.is_empty().then_some(decimal)
}

/// The decimal times 10^`scale`, rounded half up, and whether rounding changed it. `None` when it
/// does not fit.
fn scaled(decimal: &Decimal, scale: i32) -> Option<(u64, bool)> {
    if decimal.digits == 0 {
        return Some((0, decimal.is_inexact));
    }
    let power = decimal.exponent.saturating_add(scale);
    if power >= 0 {
        let factor = 10_u64.checked_pow(u32::try_from(power).ok()?)?;
        return Some((decimal.digits.checked_mul(factor)?, decimal.is_inexact));
    }
    let Some(divisor) = 10_u128.checked_pow(power.unsigned_abs()) else { return Some((0, true)) };
    let digits = u128::from(decimal.digits);
    let (quotient, remainder) = (digits / divisor, digits % divisor);
    let quotient = quotient + u128::from(remainder * 2 >= divisor);
    Some((u64::try_from(quotient).ok()?, remainder != 0 || decimal.is_inexact))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn microseconds_become_exact_nanoseconds() {
        let cases: &[(&str, Time)] = &[
            ("1712867402348256", Time::Ns(1_712_867_402_348_256_000)),
            ("1712867402348256.123", Time::Ns(1_712_867_402_348_256_123)),
            ("2413669096090.100", Time::Ns(2_413_669_096_090_100)),
            ("68.0", Time::Ns(68_000)),
            ("0.5", Time::Ns(500)),
            ("-3.25", Time::Ns(-3_250)),
            ("1.5e3", Time::Ns(1_500_000)),
            ("1E-3", Time::Ns(1)),
            ("12.3450000", Time::Ns(12_345)),
            ("12.3455", Time::RoundedNs(12_346)),
            ("12.3454999999999999999999999", Time::RoundedNs(12_345)),
            ("1e-30", Time::RoundedNs(0)),
            ("null", Time::Absent),
            ("9223372036854775.807", Time::Ns(i64::MAX)),
            ("9223372036854775.808", Time::Unusable(Unusable::OutOfRange)),
            ("1e30", Time::Unusable(Unusable::OutOfRange)),
            ("123456789012345678901234567890", Time::Unusable(Unusable::OutOfRange)),
            ("NaN", Time::Unusable(Unusable::NotFinite)),
            ("-Infinity", Time::Unusable(Unusable::NotFinite)),
            ("-inf", Time::Unusable(Unusable::NotFinite)),
            ("N/A", Time::Unusable(Unusable::WrongType)),
            ("1.", Time::Unusable(Unusable::WrongType)),
            (".5", Time::Unusable(Unusable::WrongType)),
            ("1.2.3", Time::Unusable(Unusable::WrongType)),
            ("1e", Time::Unusable(Unusable::WrongType)),
            ("", Time::Unusable(Unusable::WrongType)),
        ];
        for (text, time) in cases {
            assert_eq!(micros(text.as_bytes()), *time, "{text}");
        }
    }

    #[test]
    fn whole_numbers_in_every_spelling() {
        let cases: &[(&str, Whole)] = &[
            ("7", Whole::Natural(7)),
            ("7.0", Whole::Natural(7)),
            ("7e2", Whole::Natural(700)),
            ("0x1f", Whole::Natural(31)),
            ("-1", Whole::Negative(-1)),
            ("-0", Whole::Natural(0)),
            ("18446744073709551615", Whole::Natural(u64::MAX)),
            ("18446744073709551616", Whole::Unusable(Unusable::OutOfRange)),
            ("7.5", Whole::Unusable(Unusable::WrongType)),
            ("true", Whole::Unusable(Unusable::WrongType)),
            ("0x", Whole::Unusable(Unusable::WrongType)),
            ("nan", Whole::Unusable(Unusable::NotFinite)),
            ("null", Whole::Absent),
        ];
        for (text, number) in cases {
            assert_eq!(whole(text.as_bytes()), *number, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_plain_reader_agrees_with_the_general_one(
            micros in 0_i64..i64::MAX / 1000 - 1,
            fraction in prop::option::of("[0-9]{1,5}"),
        ) {
            let text = match fraction {
                Some(fraction) => format!("{micros}.{fraction}"),
                None => micros.to_string(),
            };
            if let Some(ns) = plain_micros(text.as_bytes()) {
                prop_assert_eq!(any_micros(text.as_bytes()), Time::Ns(ns));
            }
        }

        #[test]
        fn no_text_is_misread(text in "[-+0-9.eE]{0,24}") {
            if let (Time::Ns(ns), Ok(value)) = (super::micros(text.as_bytes()), text.parse::<f64>()) {
                let exact = value * 1000.0;
                prop_assert!((exact - ns as f64).abs() <= exact.abs() * 1e-12 + 0.5, "{} {}", text, ns);
            }
        }
    }
}

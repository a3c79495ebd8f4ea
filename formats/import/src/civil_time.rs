//! Dates and times of day as nanoseconds of the wall clock, taken as UTC.

/// Nanoseconds in a second.
pub(crate) const SECOND_NS: i64 = 1_000_000_000;
/// Nanoseconds in a day.
pub(crate) const DAY_NS: i64 = 86_400 * SECOND_NS;

/// A date as nanoseconds since the epoch. `None` for a date there is not, or one outside the years
/// 1970 to 2200.
pub(crate) fn date_ns(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=2200).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    // Days since 1970-01-01, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * DAY_NS)
}

/// A time in the format of RFC 3339, such as `2026-02-25T08:00:00.125Z` or `…+02:00`, as
/// nanoseconds since the epoch. Without a zone it is taken as UTC.
pub(crate) fn rfc3339_ns(text: &str) -> Option<i64> {
    let (date, time) = text.trim().split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let year = number(parts.next()?, 9999)?;
    let month = number(parts.next()?, 12)?;
    let day = number(parts.next()?, 31)?;
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let offset = match zone.strip_prefix(['+', '-']) {
        Some(digits) => {
            let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
            let minutes = number(hours, 23)? * 60 + number(minutes, 59)?;
            minutes * 60 * SECOND_NS * if zone.starts_with('-') { -1 } else { 1 }
        }
        None => 0,
    };
    Some(date_ns(year, month, day)? + time_of_day_ns(time)? - offset)
}

/// A time since the epoch of which the size tells the unit: seconds, milliseconds, microseconds or
/// nanoseconds of the years 1973 to 5138. No digit is lost.
pub(crate) fn epoch_ns(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok().filter(|whole| *whole >= 0)?;
    let digits = match whole {
        0..100_000_000_000 => 9,
        100_000_000_000..100_000_000_000_000 => 6,
        100_000_000_000_000..100_000_000_000_000_000 => 3,
        _ => 0,
    };
    let scale = 10_i64.pow(digits);
    let below = fraction_ns(fraction)? / 10_i64.pow(9 - digits);
    whole.checked_mul(scale)?.checked_add(below)
}

/// `HH:MM:SS`, with any number of digits of a second behind a point, as nanoseconds since
/// midnight.
pub(crate) fn time_of_day_ns(text: &str) -> Option<i64> {
    let mut parts = text.trim().splitn(3, ':');
    let hours = number(parts.next()?, 23)?;
    let minutes = number(parts.next()?, 59)?;
    let (seconds, fraction) = parts.next().map(|s| s.split_once('.').unwrap_or((s, "")))?;
    // 60: a leap second.
    let seconds = (hours * 60 + minutes) * 60 + number(seconds, 60)?;
    Some(seconds * SECOND_NS + fraction_ns(fraction)?)
}

/// Digits behind the point of a second as nanoseconds; more than nine are cut.
pub(crate) fn fraction_ns(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded = format!("{:0<9}", &digits[..digits.len().min(9)]);
    padded.parse().ok()
}

/// A number of decimal digits up to `most`.
pub(crate) fn number(text: &str, most: i64) -> Option<i64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| is_plain && *value <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_the_epoch() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((1970, 12, 31), 364),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 12, 18), 20_805),
            ((2100, 3, 1), 47_541),
        ] {
            let (year, month, day) = date;
            assert_eq!(date_ns(year, month, day), Some(days * DAY_NS), "{date:?}");
        }
        for (year, month, day) in
            [(2001, 2, 29), (2100, 2, 29), (2026, 13, 1), (2026, 4, 31), (2026, 1, 0), (1969, 1, 1)]
        {
            assert_eq!(date_ns(year, month, day), None);
        }
    }

    #[test]
    fn times_with_zones_and_of_every_unit() {
        let ns = 1_772_006_400_125_000_000;
        for text in [
            "2026-02-25T08:00:00.125Z",
            "2026-02-25T08:00:00.125",
            "2026-02-25 10:00:00.125+02:00",
            "2026-02-25T03:30:00.125-04:30",
        ] {
            assert_eq!(rfc3339_ns(text), Some(ns), "{text}");
        }
        for text in ["", "2026-02-25", "2026-02-30T00:00:00Z", "2026-02-25T08:00:00+99:00", "é"] {
            assert_eq!(rfc3339_ns(text), None, "{text}");
        }
        for text in ["1772006400.125", "1772006400125", "1772006400125000", "1772006400125000000"] {
            assert_eq!(epoch_ns(text), Some(ns), "{text}");
        }
        assert_eq!(epoch_ns("1772006400125.25"), Some(ns + 250_000));
        assert_eq!(epoch_ns("-5"), None);
    }

    #[test]
    fn times_of_day_keep_their_digits() {
        assert_eq!(time_of_day_ns("00:00:00"), Some(0));
        assert_eq!(time_of_day_ns("07:55:46.880"), Some(28_546_880_000_000));
        assert_eq!(time_of_day_ns("23:59:59.9999999999"), Some(DAY_NS - 1));
        for text in ["24:00:00", "1:2", "a:b:c", "", "12:60:00", "12:00:00.x", "12:00:-1"] {
            assert_eq!(time_of_day_ns(text), None, "{text}");
        }
    }
}

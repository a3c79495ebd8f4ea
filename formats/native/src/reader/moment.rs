//! A time for a person to read.

/// Times from here on are taken for the wall clock, as a machine that has been up for thirty years
/// is rare.
const WALL_CLOCK_FROM_NS: i64 = 1_000_000_000_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// Nanoseconds of a clock as a date and time of day in UTC, or as seconds where the clock is not
/// the wall clock.
pub(crate) fn moment(ns: i64) -> String {
    let ms = ns.div_euclid(1_000_000);
    if ns < WALL_CLOCK_FROM_NS {
        return format!("{}.{:03} s", ms.div_euclid(1000), ms.rem_euclid(1000));
    }
    let (year, month, day) = date(ms / DAY_MS);
    let (second, below) = (ms % DAY_MS / 1000, ms % 1000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{below:03}Z")
}

/// Year, month and day of a number of days since 1970-01-01.
fn date(mut days: i64) -> (i64, i64, i64) {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_clock_times_have_a_date_and_others_are_seconds() {
        assert_eq!(moment(1_708_999_323_000_000_000), "2024-02-27T02:02:03.000Z");
        assert_eq!(moment(1_709_251_199_999_999_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(moment(1_767_225_600_000_000_000), "2026-01-01T00:00:00.000Z");
        assert_eq!(moment(i64::MAX), "2262-04-11T23:47:16.854Z");
        assert_eq!(moment(12_345_678_901), "12.345 s");
        assert_eq!(moment(-1), "-1.999 s");
    }
}

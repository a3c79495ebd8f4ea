//! Dates from Unix time, as NVIDIA's tools print them.

/// A time of the UTC calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
    pub(crate) millisecond: u64,
}

impl Date {
    /// The date at `ns` nanoseconds since 1970 (Howard Hinnant, "chrono-compatible low-level date
    /// algorithms", `civil_from_days`).
    pub(crate) fn at(ns: u64) -> Self {
        let seconds = ns / 1_000_000_000;
        let days = (seconds / 86_400) as i64 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            millisecond: ns / 1_000_000 % 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        let date = Date::at(951_782_400_000_000_000);
        assert_eq!((date.year, date.month, date.day, date.hour), (2000, 2, 29, 0));
        let date = Date::at(1_797_580_546_880_000_000);
        assert_eq!((date.year, date.month, date.day), (2026, 12, 18));
        assert_eq!((date.hour, date.minute, date.second, date.millisecond), (7, 55, 46, 880));
    }
}

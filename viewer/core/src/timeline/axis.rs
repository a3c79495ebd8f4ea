//! The time axis: round steps and units a person reads.

use super::TimeRange;

/// A mark on the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// When.
    pub ns: i64,
    /// What stands beside it; empty for the small ones between.
    pub label: String,
}

/// The marks of a view that is `width` points wide, with labels at least `min_gap` points apart.
/// Times count from `origin_ns`.
pub fn ticks(view: TimeRange, origin_ns: i64, width: f32, min_gap: f32) -> Vec<Tick> {
    let labels = f64::from((width / min_gap.max(1.0)).clamp(1.0, 100.0));
    let step = round_step(view.len_ns() as f64 / labels);
    let minor = (step / 5).max(1);
    let first = i128::from(view.start_ns()) - i128::from(origin_ns);
    let mut at = first.div_euclid(i128::from(minor)) * i128::from(minor);
    let end = i128::from(view.end_ns()) - i128::from(origin_ns);
    let mut ticks = Vec::new();
    while at <= end && ticks.len() < 1000 {
        let is_major = at.rem_euclid(i128::from(step)) == 0;
        if let Ok(ns) = i64::try_from(at + i128::from(origin_ns)) {
            let label = if is_major { position(at as f64, step as f64) } else { String::new() };
            ticks.push(Tick { ns, label });
        }
        at += i128::from(minor);
    }
    ticks
}

/// The smallest of 1, 2, 5 × 10ⁿ nanoseconds that is no less than `at_least`.
fn round_step(at_least: f64) -> i64 {
    let mut decade = 1_i64;
    loop {
        for digit in [1, 2, 5] {
            let step = decade.saturating_mul(digit);
            if step as f64 >= at_least || step == i64::MAX {
                return step;
            }
        }
        decade = decade.saturating_mul(10);
    }
}

/// A position, with as many digits as tell it from the next one `step_ns` further.
fn position(ns: f64, step_ns: f64) -> String {
    let (unit, name) = unit_of(ns.abs().max(step_ns));
    let digits = (unit / step_ns).log10().ceil().clamp(0.0, 9.0) as usize;
    format!("{:.digits$} {name}", ns / unit)
}

fn unit_of(ns: f64) -> (f64, &'static str) {
    match ns {
        ns if ns >= 1e9 => (1e9, "s"),
        ns if ns >= 1e6 => (1e6, "ms"),
        ns if ns >= 1e3 => (1e3, "µs"),
        _ => (1.0, "ns"),
    }
}

/// A length of time with four digits: `12.35 ms`.
pub fn duration_text(ns: u64) -> String {
    let value = ns as f64;
    let (unit, name) = unit_of(value);
    let scaled = value / unit;
    let digits = match scaled {
        _ if unit == 1.0 => 0,
        scaled if scaled >= 1000.0 => 0,
        scaled if scaled >= 100.0 => 1,
        scaled if scaled >= 10.0 => 2,
        _ => 3,
    };
    format!("{scaled:.digits$} {name}")
}

/// A point in time since `origin_ns`, to the nanosecond where that fits: `1.234 567 890 s`.
pub fn moment_text(ns: i64, origin_ns: i64) -> String {
    let since = i128::from(ns) - i128::from(origin_ns);
    let sign = if since < 0 { "-" } else { "" };
    let since = since.unsigned_abs();
    let (seconds, rest) = (since / 1_000_000_000, since % 1_000_000_000);
    let (ms, us, ns) = (rest / 1_000_000, rest / 1000 % 1000, rest % 1000);
    format!("{sign}{seconds}.{ms:03} {us:03} {ns:03} s")
}

/// A count with its thousands apart: `1 234 567`.
pub fn count_text(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A size: `12.3 MiB`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(start: i64, end: i64, origin: i64) -> Vec<String> {
        let view = TimeRange::from_ns(start, end);
        let ticks = ticks(view, origin, 500.0, 100.0);
        ticks.into_iter().map(|tick| tick.label).filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn steps_are_round_in_the_unit_of_the_view() {
        assert_eq!(
            labels(0, 10_000, 0),
            ["0.000 µs", "2.000 µs", "4.000 µs", "6.000 µs", "8.000 µs", "10.00 µs"]
                .map(|text| text.replace(".000", "").replace(".00", ""))
        );
        assert_eq!(labels(0, 40, 0), ["0 ns", "10 ns", "20 ns", "30 ns", "40 ns"]);
        assert_eq!(
            labels(3_000_000_000, 3_000_004_000, 0),
            ["3.000000 s", "3.000001 s", "3.000002 s", "3.000003 s", "3.000004 s"]
        );
    }

    #[test]
    fn times_count_from_the_origin_and_may_be_before_it() {
        assert_eq!(labels(900, 1_100, 1_000), ["-100 ns", "-50 ns", "0 ns", "50 ns", "100 ns"]);
    }

    #[test]
    fn the_widest_view_has_a_bounded_number_of_marks() {
        let all = TimeRange::from_ns(i64::MIN, i64::MAX);
        assert!(ticks(all, 0, 1e9, 1.0).len() <= 1000);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(duration_text(999), "999 ns");
        assert_eq!(duration_text(12_345), "12.35 µs");
        assert_eq!(duration_text(123_456_789), "123.5 ms");
        assert_eq!(duration_text(5_000_000_000_000), "5000 s");
        assert_eq!(moment_text(1_234_567_890, 0), "1.234 567 890 s");
        assert_eq!(moment_text(0, 1), "-0.000 000 001 s");
        assert_eq!(count_text(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(bytes_text(1536), "1.5 KiB");
    }
}

//! Lengths of time and sizes, as people type them.

use std::time::Duration;

/// Reads `30`, `30s`, `500ms`, `2m`, `1.5h`; without a unit it is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: &[(&str, f64)] =
        &[("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("", 1.0)];
    let seconds = scaled(text, UNITS, "30s, 500ms, 2m")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text:?} is too long"))
}

/// Reads `100000`, `64K`, `500M`, `2G`, `2GiB`; units are powers of 1024.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, f64)] = &[
        ("k", 1024.0),
        ("m", 1_048_576.0),
        ("g", 1_073_741_824.0),
        ("t", 1_099_511_627_776.0),
        ("", 1.0),
    ];
    let lower = text.to_ascii_lowercase();
    let short = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let bytes = scaled(short, UNITS, "500M, 2G")?;
    if bytes >= u64::MAX as f64 {
        return Err(format!("{text:?} is too large"));
    }
    Ok(bytes as u64)
}

fn scaled(text: &str, units: &[(&str, f64)], such_as: &str) -> Result<f64, String> {
    let text = text.trim();
    let unknown = || format!("expected something like {such_as}, found {text:?}");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit).ok_or_else(unknown)?.1;
    number.parse::<f64>().map(|number| number * factor).map_err(|_| unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_as_people_type_them() {
        let ms = |text| parse_duration(text).map(|time| time.as_millis());
        for (text, expected) in [("30", 30_000), ("1.5s", 1_500), ("500ms", 500), ("2m", 120_000)] {
            assert_eq!(ms(text), Ok(expected), "{text}");
        }
        for (text, expected) in [("10", 10), ("64K", 65_536), ("2GiB", 2 << 30), ("1.5mb", 3 << 19)]
        {
            assert_eq!(parse_bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "-1s", "1 fortnight", "1e9999s", "nan", "99999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["", "G", "-1", "99999999T", "1X"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}

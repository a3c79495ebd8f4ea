//! Parts of reports, one function each, and how numbers are shown in them.

mod capture;
mod cohorts;
mod data_problems;
mod idle;
mod long_calls;
mod money;
mod overview;
mod precision;
mod tokens;
mod verdict;

pub(crate) use capture::capture;
pub use capture::trust_meaning;
pub(crate) use cohorts::cohorts;
pub(crate) use data_problems::data_problems;
pub(crate) use idle::idle;
pub(crate) use money::{cost, slo};
pub(crate) use overview::overview;
pub(crate) use precision::precision;
pub(crate) use tokens::tokens;
pub(crate) use verdict::verdict;

/// A fraction as a percentage with one place; a small but real share is never shown as zero.
pub(crate) fn percent(fraction: f64) -> String {
    if fraction > 0.0 && fraction < 0.0005 {
        return "<0.1 %".to_owned();
    }
    format!("{:.1} %", fraction * 100.0)
}

/// `1 kernel`, `2 kernels`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_share_is_never_zero() {
        assert_eq!(percent(0.0), "0.0 %");
        assert_eq!(percent(0.000_001), "<0.1 %");
        assert_eq!(percent(0.12345), "12.3 %");
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(counted(1, "step"), "1 step");
        assert_eq!(counted(0, "step"), "0 steps");
    }
}

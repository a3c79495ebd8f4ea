//! The clocks that times are taken from and joined by.

use std::time::{Duration, Instant, SystemTime};

use super::{Check, Health};

const SOURCE_FILE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const READINGS: usize = 2000;
/// A reading of a clock beyond this is one through the kernel.
const SLOW: Duration = Duration::from_nanos(500);

pub(super) fn check(checks: &mut Vec<Check>) {
    const ID: &str = "clock";
    let source = std::fs::read_to_string(SOURCE_FILE).unwrap_or_default();
    let source = source.trim();
    let (cost, uncertainty) = measured();
    let found = format!(
        "clock source {}; a reading takes {} ns; realtime and monotonic are told apart to {} ns",
        if source.is_empty() { "unknown" } else { source },
        cost.as_nanos(),
        uncertainty.as_nanos(),
    );
    checks.push(if cost <= SLOW {
        Check::good(ID, found)
    } else {
        Check::other(
            ID,
            Health::Limited,
            found,
            "readings go through the kernel, which makes host calls dearer to record: use the \
             clock source tsc, or kvm-clock in a virtual machine",
        )
    });
}

/// What a reading costs, and how well both clocks can be put side by side: half the shortest time
/// that a reading of one between two of the other took.
fn measured() -> (Duration, Duration) {
    let began = Instant::now();
    let mut narrowest = Duration::MAX;
    for _ in 0..READINGS {
        let before = Instant::now();
        std::hint::black_box(SystemTime::now());
        narrowest = narrowest.min(before.elapsed());
    }
    let cost = began.elapsed() / (3 * READINGS as u32);
    (cost, narrowest / 2)
}

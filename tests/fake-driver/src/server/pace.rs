//! Time as the host spends it.

use std::time::{Duration, Instant};

/// Below this the host computes rather than sleeps: sleeping takes longer than it says.
const SPIN_BELOW: Duration = Duration::from_micros(300);

/// The host computes for about that long.
pub(super) fn work(duration: Duration) {
    let until = Instant::now() + duration;
    if duration > SPIN_BELOW {
        std::thread::sleep(duration - SPIN_BELOW);
    }
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// The host has nothing to do until then.
pub(super) fn sleep_until(instant: Instant) {
    std::thread::sleep(instant.saturating_duration_since(Instant::now()));
}

//! The time that activity records are stamped with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(0)
}

/// Sleeps until that time.
pub(crate) fn wait_until_ns(time_ns: u64) {
    loop {
        let now = now_ns();
        if now >= time_ns {
            return;
        }
        std::thread::sleep(Duration::from_nanos(time_ns - now));
    }
}

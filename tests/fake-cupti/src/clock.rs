//! The library's clock.

/// `CLOCK_REALTIME` in nanoseconds, which is what the real library's clock is on Linux.
pub(crate) fn realtime_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The system's id of the calling thread.
pub(crate) fn thread_id() -> u64 {
    // SAFETY: takes nothing.
    unsafe { libc::gettid() as u64 }
}

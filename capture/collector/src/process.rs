//! What the collector asks of the operating system: quiet threads, clocks, fork and exit hooks.
#![expect(unsafe_code, reason = "calls into libc")]

use std::ffi::c_void;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::thread::JoinHandle;

/// Starts a thread that gets no signals and steps back for others.
pub(crate) fn spawn_quiet(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let before = mask_all();
    let spawned = std::thread::Builder::new()
        .name(name.to_owned())
        // Decoding is shallow, and a host may have lowered the default.
        .stack_size(512 * 1024)
        .spawn(move || {
            // SAFETY: changes the calling thread only (Linux has priorities per thread).
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) };
            // A panic ends this thread and nothing else.
            if catch_unwind(AssertUnwindSafe(body)).is_err() {
                complain("a part of the collector failed; what it did is not done any more");
            }
        });
    // SAFETY: `before` is what this thread had.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) };
    spawned
}

/// Blocks all signals on this thread, which a new thread inherits; answers what was blocked.
fn mask_all() -> libc::sigset_t {
    // SAFETY: both sets are plain memory that libc fills in.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

/// `CLOCK_REALTIME` in nanoseconds.
#[inline]
pub(crate) fn realtime_ns() -> i64 {
    clock_ns(libc::CLOCK_REALTIME)
}

/// `CLOCK_MONOTONIC` in nanoseconds.
#[inline]
pub(crate) fn monotonic_ns() -> i64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// CPU time of the calling thread in nanoseconds.
pub(crate) fn thread_cpu_ns() -> i64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[inline]
fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writable, and the clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The system's id of the calling thread.
pub(crate) fn thread_id() -> i64 {
    thread_local! {
        // SAFETY: takes nothing.
        static ID: i64 = i64::from(unsafe { libc::gettid() });
    }
    ID.try_with(|id| *id).unwrap_or(0)
}

/// Keeps this library loaded whatever its loader does: threads run in it.
pub(crate) fn pin() {
    let mut info = libc::Dl_info {
        dli_fname: ptr::null(),
        dli_fbase: ptr::null_mut(),
        dli_sname: ptr::null(),
        dli_saddr: ptr::null_mut(),
    };
    let own = pin as *const c_void;
    // SAFETY: an address of this library, and writable room for the answer.
    if unsafe { libc::dladdr(own, &raw mut info) } != 0 && !info.dli_fname.is_null() {
        let flags = libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: the loader's own name of a library that is loaded; nothing is run.
        unsafe { libc::dlopen(info.dli_fname, flags) };
    }
}

/// Has `in_child` called in every child made by fork without exec.
pub(crate) fn at_fork(in_child: unsafe extern "C" fn()) {
    // SAFETY: a function that lives as long as the process, since the library is pinned.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

/// Has `on_exit` called when the process ends by itself.
pub(crate) fn at_exit(on_exit: extern "C" fn()) {
    // SAFETY: as above.
    unsafe { libc::atexit(on_exit) };
}

/// Closes a descriptor; for the child of a fork, where nothing else may be done.
pub(crate) fn close(descriptor: i32) {
    // SAFETY: the caller owns the descriptor.
    unsafe { libc::close(descriptor) };
}

/// Writes one line to standard error.
pub(crate) fn complain(text: &str) {
    let line = format!("underspan: process {}: {text}\n", std::process::id());
    // SAFETY: readable bytes and their number. That nobody may be listening changes nothing.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

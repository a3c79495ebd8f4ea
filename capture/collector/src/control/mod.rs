//! The control thread: the socket, timed flushes, clock anchors, and the end.
#![expect(unsafe_code, reason = "waits with poll")]

mod command;
mod governor;
mod socket;

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

pub use self::command::{Answer, Request};
use self::governor::Governor;
pub(crate) use self::socket::ControlSocket;
use crate::collector::Collector;
use crate::config::Config;
use crate::process::{close, complain};
use crate::recorder::wait_for_flush;
use crate::sink::{POOL, callback_cost, callback_p99_ns};
use crate::writer::Command;

/// How often arming is tried when the driver is not up yet.
const ARM_ATTEMPTS: u32 = 240;
const ARM_EVERY: Duration = Duration::from_millis(250);
/// Nothing needs doing more often than this while nothing is recorded.
const IDLE: Duration = Duration::from_secs(60);

static LISTENER: AtomicI32 = AtomicI32::new(-1);
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Opens the control socket, if there shall be one, and what [`wake`] needs. Clients can connect
/// from now on.
pub(crate) fn prepare(config: &Config) -> Option<ControlSocket> {
    // SAFETY: numbers only.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    WAKE.store(descriptor, Ordering::Release);
    let path = config.socket.as_deref()?;
    match ControlSocket::bind(path) {
        Ok(socket) => {
            LISTENER.store(socket.descriptor(), Ordering::Release);
            Some(socket)
        }
        Err(error) => {
            complain(&format!("no control socket at {}: {error}", path.display()));
            None
        }
    }
}

/// What the control thread does until the process ends.
pub(crate) fn run(collector: &'static Collector, socket: Option<ControlSocket>) {
    let config = collector.config();
    let now = Instant::now();
    let (mut next_flush, mut next_anchor, mut next_arm) = (now, now, now);
    let mut arm_attempts = 0;
    let mut governor =
        config.overhead_budget.map(|budget| Governor::new(budget, config.overhead_window));
    while !collector.is_ending() {
        let now = Instant::now();
        let mut wake_at = now + IDLE;
        if collector.wants_to_arm() && arm_attempts < ARM_ATTEMPTS {
            if now >= next_arm {
                next_arm = now + ARM_EVERY;
                arm_attempts += 1;
                collector.arm_again(arm_attempts == ARM_ATTEMPTS);
            }
            wake_at = wake_at.min(next_arm);
        }
        if collector.has_writer() {
            if now >= next_flush {
                next_flush = now + config.flush_every;
                if let Some(writer) = collector.writer() {
                    collector.recorder().flush(writer);
                    keep_to_budget(collector, governor.as_mut());
                }
            }
            if now >= next_anchor {
                next_anchor = now + config.anchor_every;
                if let Some(writer) = collector.writer() {
                    writer.send(Command::Anchor(collector.recorder().anchor()));
                }
            }
            wake_at = wake_at.min(next_flush).min(next_anchor);
        }
        wait(socket.as_ref(), wake_at.saturating_duration_since(Instant::now()));
        if let Some(socket) = &socket {
            socket.serve(|line| respond(collector, line).into_line());
        }
    }
    LISTENER.store(-1, Ordering::Release);
    drop(socket);
    collector.end();
}

/// Gives up detail when recording costs more than it may.
fn keep_to_budget(collector: &Collector, governor: Option<&mut Governor>) {
    let (Some(governor), Some(writer)) = (governor, collector.writer()) else { return };
    let cost_ns = callback_cost().0 + writer.progress().cpu_ns.load(Ordering::Relaxed);
    if let Some(permille) = governor.look(Instant::now(), cost_ns) {
        let cost = format!("recording took {}.{} % of a core", permille / 10, permille % 10);
        collector.recorder().give_up_detail(&cost, writer);
    }
}

/// Has the control thread look up.
pub(crate) fn wake() {
    let one = 1_u64;
    // SAFETY: eight readable bytes; a missing descriptor is an error that changes nothing.
    unsafe { libc::write(WAKE.load(Ordering::Acquire), (&raw const one).cast(), 8) };
}

/// Closes what a forked child inherited, so that clients of its parent are not kept waiting.
pub(crate) fn close_in_child() {
    for descriptor in [&LISTENER, &WAKE] {
        let descriptor = descriptor.swap(-1, Ordering::Relaxed);
        if descriptor >= 0 {
            close(descriptor);
        }
    }
}

fn wait(socket: Option<&ControlSocket>, limit: Duration) {
    let of = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let wake = WAKE.load(Ordering::Acquire);
    let mut descriptors = [of(wake), of(socket.map_or(-1, ControlSocket::descriptor))];
    let limit = libc::c_int::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(1000);
    // SAFETY: two filled-in places; descriptors of -1 are skipped.
    unsafe { libc::poll(descriptors.as_mut_ptr(), 2, limit) };
    if descriptors[0].revents != 0 {
        let mut count = 0_u64;
        // SAFETY: eight writable bytes.
        unsafe { libc::read(wake, (&raw mut count).cast(), 8) };
    }
}

fn respond(collector: &Collector, line: Result<&[u8], String>) -> Answer {
    let request = match line.and_then(Request::parse) {
        Ok(request) => request,
        Err(error) => return Answer::error(&error),
    };
    let outcome = match request {
        Request::Status => return status(collector),
        Request::Arm(kinds) => {
            let set = kinds.map_or(Ok(()), |kinds| collector.recorder().set_kinds(kinds));
            set.and_then(|()| collector.arm()).map_err(|error| error.text)
        }
        Request::Disarm => {
            if let Some(writer) = collector.writer() {
                collector.recorder().disarm(writer);
            }
            collector.forget_arming();
            Ok(())
        }
        Request::SetKinds(kinds) => {
            collector.recorder().set_kinds(kinds).map_err(|error| error.text)
        }
        Request::Flush => flush(collector),
        Request::Dump(folder) => {
            let dumped = flush(collector).and_then(|()| {
                let writer = collector.writer().ok_or("nothing was recorded")?;
                let (answer, dumped) = channel();
                writer.send(Command::Dump(folder, answer));
                let dumped = dumped.recv_timeout(Duration::from_secs(30));
                dumped.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
            });
            return match dumped {
                Ok(n) => Answer::ok().with("segments", n),
                Err(error) => Answer::error(&error),
            };
        }
    };
    match outcome {
        Ok(()) => Answer::ok(),
        Err(error) => Answer::error(&error),
    }
}

fn flush(collector: &Collector) -> Result<(), String> {
    let writer = collector.writer().ok_or("nothing was recorded")?;
    collector.recorder().flush(writer);
    if wait_for_flush(writer, Duration::from_secs(10)) {
        Ok(())
    } else {
        Err("the writer does not answer".to_owned())
    }
}

fn status(collector: &Collector) -> Answer {
    let config = collector.config();
    let (callback_ns, n_callbacks) = callback_cost();
    let recorder = collector.recorder();
    let mut answer = Answer::ok()
        .with("pid", std::process::id())
        .with_text("version", env!("CARGO_PKG_VERSION"))
        .with_text("mode", &format!("{:?}", config.mode).to_ascii_lowercase())
        .with("armed", recorder.is_armed())
        .with_text("kinds", recorder.kinds().name())
        .with_text("backend", recorder.backend_name())
        .with_text("output", &config.output.to_string_lossy())
        .with("buffers", POOL.n_buffers())
        .with("callbacks", n_callbacks)
        .with("callback_ns", callback_ns)
        .with("callback_p99_ns", callback_p99_ns());
    drop(recorder);
    if let Some(writer) = collector.writer() {
        let progress = writer.progress();
        for (key, value) in [
            ("records", &progress.rows),
            ("rows_written", &progress.rows_written),
            ("bytes_written", &progress.bytes_written),
            ("losses", &progress.losses),
            ("writer_cpu_ns", &progress.cpu_ns),
        ] {
            answer = answer.with(key, value.load(Ordering::Relaxed));
        }
        answer = answer.with("write_failed", progress.has_failed.load(Ordering::Relaxed));
    }
    match collector.trouble() {
        Some(trouble) => answer.with_text("trouble", &trouble),
        None => answer,
    }
}

//! The collector of this process: one, from the first entry to the end.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::config::{Config, Mode};
use crate::process::{at_exit, at_fork, complain, pin, spawn_quiet};
use crate::recorder::{ArmError, Recorder};
use crate::writer::{Command, WriterHandle};
use crate::{chain, control, events, sink};

/// Everything the collector consists of.
#[derive(Debug)]
pub(crate) struct Collector {
    config: Config,
    recorder: Mutex<Recorder>,
    writer: OnceLock<WriterHandle>,
    wants_to_arm: AtomicBool,
    is_ending: AtomicBool,
    trouble: Mutex<Option<String>>,
    ended: Mutex<bool>,
    ended_changed: Condvar,
}

static COLLECTOR: OnceLock<Collector> = OnceLock::new();
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Starts the collector, once. `with_cuda` says that the CUDA driver is calling.
pub(crate) fn start(with_cuda: bool) {
    if sink::is_dead() {
        return;
    }
    let mut is_first = false;
    let collector = COLLECTOR.get_or_init(|| {
        is_first = true;
        Collector::new(Config::of_this_process())
    });
    if collector.config.mode == Mode::Off {
        return;
    }
    if is_first {
        collector.set_up();
    }
    if with_cuda && matches!(collector.config.mode, Mode::Stream | Mode::Ring) {
        collector.arm_at_start();
    }
    if let Some(path) = collector.config.chain.as_deref().filter(|_| with_cuda) {
        chain::start(path);
    }
}

/// Whether annotations are wanted.
pub(crate) fn wants_nvtx() -> bool {
    COLLECTOR.get().is_some_and(|c| c.config.nvtx && c.config.mode != Mode::Off)
}

impl Collector {
    fn new(config: Config) -> Self {
        Self {
            recorder: Mutex::new(Recorder::new(&config)),
            config,
            writer: OnceLock::new(),
            wants_to_arm: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            trouble: Mutex::new(None),
            ended: Mutex::new(false),
            ended_changed: Condvar::new(),
        }
    }

    /// Hooks and threads.
    fn set_up(&'static self) {
        OWNER.store(std::process::id(), Ordering::Release);
        pin();
        at_fork(in_child);
        for complaint in &self.config.complaints {
            complain(complaint);
        }
        let is_recording = matches!(self.config.mode, Mode::Stream | Mode::Ring);
        if !is_recording && self.config.socket.is_none() {
            // Nobody can ever arm it.
            return;
        }
        let socket = control::prepare(&self.config);
        if let Err(error) = spawn_quiet("us-ctl", move || control::run(self, socket)) {
            complain(&format!("not recording: {error}"));
            return;
        }
        at_exit(on_exit);
        if is_recording && self.start_writer().is_ok() {
            // Annotations may come before CUDA does.
            events::set_recording(true);
        }
    }

    fn start_writer(&self) -> Result<&WriterHandle, ArmError> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let started = WriterHandle::start(&self.config);
        let handle = started.map_err(|error| ArmError {
            text: format!("the writer cannot be started: {error}"),
            is_early: false,
        })?;
        Ok(self.writer.get_or_init(|| handle))
    }

    /// Starts recording.
    pub(crate) fn arm(&self) -> Result<(), ArmError> {
        let mut recorder = self.recorder();
        let writer = self.start_writer()?;
        let armed = recorder.arm(writer);
        *lock(&self.trouble) = armed.as_ref().err().map(|error| error.text.clone());
        drop(recorder);
        control::wake();
        armed
    }

    fn arm_at_start(&self) {
        match self.arm() {
            Ok(()) => {}
            Err(error) if error.is_early => {
                self.wants_to_arm.store(true, Ordering::Release);
                control::wake();
            }
            Err(error) => complain(&format!("not recording: {}", error.text)),
        }
    }

    /// Another attempt; the last one may complain.
    pub(crate) fn arm_again(&self, is_last: bool) {
        match self.arm() {
            Err(error) if error.is_early && !is_last => {}
            outcome => {
                self.forget_arming();
                if let Err(error) = outcome {
                    complain(&format!("not recording: {}", error.text));
                }
            }
        }
    }

    pub(crate) fn forget_arming(&self) {
        self.wants_to_arm.store(false, Ordering::Release);
    }

    pub(crate) fn wants_to_arm(&self) -> bool {
        self.wants_to_arm.load(Ordering::Acquire)
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    pub(crate) fn writer(&self) -> Option<&WriterHandle> {
        self.writer.get()
    }

    pub(crate) fn has_writer(&self) -> bool {
        self.writer.get().is_some()
    }

    /// Why nothing is recorded, if it should be.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// The control thread's last act: delivers and completes everything.
    pub(crate) fn end(&self) {
        if let Some(writer) = self.writer() {
            self.recorder().finish(writer);
            let (answer, done) = channel();
            writer.send(Command::Finish(answer));
            let _ = done.recv_timeout(self.config.exit_within.max(Duration::from_millis(100)));
        }
        *lock(&self.ended) = true;
        self.ended_changed.notify_all();
    }

    /// Waits for [`Self::end`], but not for long.
    fn end_within_limit(&self) {
        self.is_ending.store(true, Ordering::Release);
        control::wake();
        let ended = lock(&self.ended);
        let limit = self.config.exit_within;
        drop(self.ended_changed.wait_timeout_while(ended, limit, |ended| !*ended));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A forked child has none of our threads and must touch nothing of its parent's.
#[expect(unsafe_code, reason = "called by libc")]
unsafe extern "C" fn in_child() {
    sink::die();
    control::close_in_child();
}

extern "C" fn on_exit() {
    if sink::is_dead() || OWNER.load(Ordering::Acquire) != std::process::id() {
        return;
    }
    let _ = std::panic::catch_unwind(|| {
        if let Some(collector) = COLLECTOR.get() {
            collector.end_within_limit();
        }
    });
}

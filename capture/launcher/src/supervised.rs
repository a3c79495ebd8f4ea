//! The command: started, given its signals, waited for.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process, setrlimit, waitid,
};
use signal_hook::consts::{SIGINT, SIGKILL, SIGTERM};

use crate::LaunchError;
use crate::signals::{Came, Signals};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A command that runs. Signals sent to this process go to it.
#[derive(Debug)]
pub struct Supervised {
    pid: u32,
    endings: Receiver<io::Result<Ending>>,
    ending: Option<Ending>,
    n_interrupts: Arc<AtomicU32>,
    signals: signal_hook::iterator::Handle,
}

/// The process id while it is the command's: none once it was waited for, since the number may
/// then be anybody's.
type Alive = Arc<Mutex<Option<Pid>>>;

impl Supervised {
    /// Starts a command in an environment changed by `variables`.
    ///
    /// # Errors
    /// When it cannot be started or looked after.
    pub fn start(
        command: &[OsString],
        variables: &[(impl AsRef<OsStr>, OsString)],
    ) -> Result<Self, LaunchError> {
        let (program, arguments) = command.split_first().ok_or(LaunchError::NoCommand)?;
        let signals = Signals::take().map_err(LaunchError::Supervise)?;
        let handle = signals.handle();
        let child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .spawn()
            .map_err(|source| LaunchError::Start { program: program.clone(), source })?;
        let pid = child.id();
        let alive: Alive = Arc::new(Mutex::new(pid_of(pid)));
        let n_interrupts = Arc::new(AtomicU32::new(0));
        let (sender, endings) = channel();
        let (target, counted) = (Arc::clone(&alive), Arc::clone(&n_interrupts));
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("signals")
            .spawn(move || signals.each(|came| pass_on(came, &target, &counted)))
            .map_err(LaunchError::Supervise)?;
        named("wait")
            .spawn(move || drop(sender.send(wait(child, &alive))))
            .map_err(LaunchError::Supervise)?;
        Ok(Self { pid, endings, ending: None, n_interrupts, signals: handle })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the end, but not longer than `limit`; answers how it ended, if it did.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<Ending>, LaunchError> {
        if self.ending.is_none() {
            self.ending = match self.endings.recv_timeout(limit) {
                Ok(ending) => Some(ending.map_err(LaunchError::Supervise)?),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    let gone = io::Error::other("the thread that waits for it failed");
                    return Err(LaunchError::Supervise(gone));
                }
            };
        }
        Ok(self.ending)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn wait_for_end(&mut self) -> Result<Ending, LaunchError> {
        loop {
            if let Some(ending) = self.wait(Duration::from_secs(3600))? {
                return Ok(ending);
            }
        }
    }

    /// How often this process was asked to end, by a terminal or somebody else.
    pub fn n_interrupts(&self) -> u32 {
        self.n_interrupts.load(Ordering::Acquire)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.signals.close();
    }
}

impl Ending {
    /// The exit code a shell shows: 128 and the number for a signal.
    pub const fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// Ends this process by the same signal, if it was one, so that whoever waits sees what it
    /// would see of the command. Otherwise, and when that has no effect, answers the exit code.
    pub fn imitate(self) -> i32 {
        if let Self::Signal(signal) = self {
            // One core file of the same death is enough.
            let none = Rlimit { current: Some(0), maximum: Some(0) };
            let _ = setrlimit(Resource::Core, none);
            let own = rustix::process::getpid();
            if signal == SIGKILL {
                let _ = kill_process(own, Signal::KILL);
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
        self.code()
    }

    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or(0)),
        }
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn pass_on(came: Came, target: &Alive, n_interrupts: &AtomicU32) {
    if matches!(came.signal, SIGINT | SIGTERM) {
        n_interrupts.fetch_add(1, Ordering::AcqRel);
    }
    if came.is_shared {
        return;
    }
    let target = target.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(pid), Some(signal)) = (*target, Signal::from_named_raw(came.signal)) {
        // It may be ending right now.
        let _ = kill_process(pid, signal);
    }
}

/// Waits for the end without taking the status, has nobody signal that process id any more, and
/// only then takes the status, which frees the number.
fn wait(mut child: Child, alive: &Alive) -> io::Result<Ending> {
    if let Some(pid) = pid_of(child.id()) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(error) = waitid(WaitId::Pid(pid), options) {
            if error != rustix::io::Errno::INTR {
                break;
            }
        }
    }
    *alive.lock().unwrap_or_else(PoisonError::into_inner) = None;
    child.wait().map(Ending::of)
}

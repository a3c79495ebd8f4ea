//! Signals that are passed on to the command.

use std::io;

use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// Signals that are passed on.
const FORWARDED: [i32; 8] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH];

/// The signals of this process, to be passed on.
#[derive(Debug)]
pub(crate) struct Signals {
    info: SignalsInfo<WithOrigin>,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    /// Its number.
    pub(crate) signal: i32,
    /// Whether the command has it already: what a terminal sends goes to the whole group.
    pub(crate) is_shared: bool,
}

impl Signals {
    /// Takes the signals over. Those that are ignored stay so, for the command too: `nohup` means
    /// both.
    pub(crate) fn take() -> io::Result<Self> {
        let ignored = ignored();
        let signals = FORWARDED.iter().filter(|signal| ignored >> (**signal - 1) & 1 == 0);
        SignalsInfo::new(signals).map(|info| Self { info })
    }

    /// For stopping [`Self::each`] from elsewhere.
    pub(crate) fn handle(&self) -> signal_hook::iterator::Handle {
        self.info.handle()
    }

    /// Calls `each` for every signal, until the handle is closed.
    pub(crate) fn each(mut self, mut each: impl FnMut(Came)) {
        for origin in self.info.forever() {
            let is_shared = !matches!(origin.cause, Cause::Sent(_));
            each(Came { signal: origin.signal, is_shared });
        }
    }
}

/// The set of ignored signals, bit n - 1 for signal n.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

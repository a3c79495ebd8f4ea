//! Records processes that run already and were started with a collector in them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::otlp::last_files_beside;
use crate::process_tree::parent_of;
use crate::session::now_ns;
use crate::{Fleet, LaunchError, Observer, ProcessTree, Session};

/// Longest chain of parents that is followed.
const MAX_DEPTH: usize = 64;
/// How long one collector may take for an answer.
const LIMIT: Duration = Duration::from_secs(40);
/// How often a wait looks whether it shall end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Largest environment that is read, bytes.
const MAX_ENVIRONMENT: u64 = 4 << 20;

/// What `underspan record --pid` was asked to do.
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    /// A process, recorded with all below it.
    pub pid: u32,
    /// The capture that will be made.
    pub output: PathBuf,
    /// How far back to go, where a flight recorder runs.
    pub last: Option<Duration>,
    /// How long to record from now on.
    pub duration: Option<Duration>,
    /// What processes that do not record yet shall record.
    pub kinds: crate::Kinds,
}

/// Records a running process and those below it. Processes that keep the last seconds give them;
/// others are armed until the time is over, or somebody interrupts.
///
/// # Errors
/// When no process there has a collector, or the folder for pieces cannot be made.
pub fn record_running(
    options: &AttachOptions,
    observer: &mut dyn Observer,
) -> Result<(), LaunchError> {
    let found = below(options.pid);
    if found.is_empty() {
        return Err(LaunchError::NoCollectorInside { pid: options.pid });
    }
    let mut tree = ProcessTree::new(options.pid);
    found.iter().for_each(|process| tree.add(process.pid));
    let hooks = found.iter().find_map(|process| process.hook_dir.clone());
    let mut fleet =
        Fleet::of(found.into_iter().map(|process| (process.pid, process.socket)).collect());
    fleet.refresh();
    let session = Session::create(&options.output)?;
    let start_ns = now_ns();
    let idle: Vec<u32> = fleet.running_where(|status| !status.is_armed);
    let waits = options.duration.is_some() || idle.len() == fleet.running().len();
    if waits {
        let line = format!("arm {}", options.kinds.word());
        tell(&fleet, &idle, &line, observer);
        wait(options.duration, &mut fleet, observer)?;
        tell(&fleet, &idle, "disarm", observer);
    }
    let end_ns = now_ns();
    let mut pieces = fleet.collect(session.pieces_dir(), LIMIT, observer);
    if let Some(folder) = hooks {
        pieces.add_hook_files(&folder);
        pieces.others.extend(last_files_beside(&folder, session.pieces_dir()));
    }
    let from_ns = |length: Duration| {
        end_ns.saturating_sub(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
    };
    pieces.stretch = if waits {
        Some((start_ns, end_ns))
    } else {
        options.last.map(|length| (from_ns(length), end_ns))
    };
    observer.complete(&pieces, &tree);
    Ok(())
}

fn tell(fleet: &Fleet, pids: &[u32], line: &str, observer: &mut dyn Observer) {
    for (pid, error) in fleet.ask_each(pids, |_| line.to_owned(), LIMIT) {
        observer.note(&format!("process {pid}: {line}: {error}"));
    }
}

/// Waits for the time to be over, for an interrupt, or for the end of all processes.
fn wait(
    duration: Option<Duration>,
    fleet: &mut Fleet,
    observer: &mut dyn Observer,
) -> Result<(), LaunchError> {
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_over))
            .map_err(LaunchError::Supervise)?;
    }
    if duration.is_none() {
        observer.note("recording until interrupted (Ctrl-C)");
    }
    let started = Instant::now();
    let mut asked = started;
    while !is_over.load(Ordering::Acquire)
        && duration.is_none_or(|duration| started.elapsed() < duration)
        && fleet.n_alive() > 0
    {
        std::thread::sleep(LOOK_EVERY);
        if asked.elapsed() >= Duration::from_secs(1) {
            asked = Instant::now();
            fleet.refresh();
            observer.progress(&fleet.totals(started.elapsed()));
        }
    }
    Ok(())
}

/// A process that was started with a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) pid: u32,
    pub(crate) socket: PathBuf,
    hook_dir: Option<PathBuf>,
}

/// Processes with a collector's socket, at `root` and below it.
pub(crate) fn below(root: u32) -> Vec<Prepared> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<_> = pids.filter(|pid| is_below(*pid, root)).filter_map(prepared).collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn is_below(pid: u32, root: u32) -> bool {
    let mut at = Some(pid);
    for _ in 0..MAX_DEPTH {
        match at {
            Some(pid) if pid == root => return true,
            Some(pid) if pid > 1 => at = parent_of(pid),
            _ => return false,
        }
    }
    false
}

fn prepared(pid: u32) -> Option<Prepared> {
    use std::io::Read;
    let mut environment = Vec::new();
    let file = std::fs::File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(MAX_ENVIRONMENT).read_to_end(&mut environment).ok()?;
    let value = |name: &str| {
        let mut entries = environment.split(|byte| *byte == 0);
        entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let socket = expanded(value("UNDERSPAN_SOCKET").filter(|value| !value.is_empty())?, pid);
    let hook_dir = value("UNDERSPAN_HOOK_DIR").filter(|value| !value.is_empty());
    let hook_dir = hook_dir.map(|value| PathBuf::from(std::ffi::OsStr::from_bytes(value)));
    is_socket(&socket).then_some(Prepared { pid, socket, hook_dir })
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

/// A path as the collector reads it: `%p` is the process id, `%%` a percent sign.
fn expanded(pattern: &[u8], pid: u32) -> PathBuf {
    let mut path = Vec::with_capacity(pattern.len() + 8);
    let mut bytes = pattern.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'%', Some(b'p')) => path.extend_from_slice(pid.to_string().as_bytes()),
            (b'%', Some(b'%')) => path.push(b'%'),
            _ => {
                path.push(byte);
                continue;
            }
        }
        bytes.next();
    }
    PathBuf::from(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_collector_reads_them() {
        assert_eq!(expanded(b"/a%%b/%p.%q%", 42), PathBuf::from("/a%b/42.%q%"));
    }

    #[test]
    fn a_process_is_below_itself_and_its_parents() {
        let own = std::process::id();
        assert!(is_below(own, own));
        assert!(is_below(own, std::os::unix::process::parent_id()));
        assert!(!is_below(std::os::unix::process::parent_id(), own));
        assert!(!is_below(u32::MAX, own));
        assert_eq!(below(own), [], "no collector in a test");
    }
}

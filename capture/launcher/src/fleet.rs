//! All collectors of a session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::control::{ControlError, Status, ask, status};
use crate::{Observer, Pieces};

/// All collectors whose sockets are in one folder.
#[derive(Debug)]
pub struct Fleet {
    folder: Option<PathBuf>,
    known: BTreeMap<u32, Member>,
}

#[derive(Debug)]
struct Member {
    socket: PathBuf,
    last: Status,
    is_there: bool,
}

/// What all processes did together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Time since the command was started.
    pub elapsed: Duration,
    /// Processes with a collector, ended ones included.
    pub n_processes: usize,
    /// Processes that record now.
    pub n_armed: usize,
    /// Rows recorded.
    pub n_rows: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Records lost.
    pub n_lost: u64,
    /// CPU time that recording took.
    pub cost: Duration,
}

impl Fleet {
    /// The collectors with sockets in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), known: BTreeMap::new() }
    }

    /// The collectors of some processes.
    pub fn of(sockets: Vec<(u32, PathBuf)>) -> Self {
        let member =
            |(pid, socket)| (pid, Member { socket, last: Status::default(), is_there: true });
        Self { folder: None, known: sockets.into_iter().map(member).collect() }
    }

    /// Looks for sockets; answers the process ids that were not known before.
    pub fn discover(&mut self) -> Vec<u32> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut new = Vec::new();
        let mut there = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let Some(pid) = stem.and_then(|stem| stem.parse::<u32>().ok()) else { continue };
            there.push(pid);
            self.known.entry(pid).or_insert_with(|| {
                new.push(pid);
                Member { socket: path, last: Status::default(), is_there: true }
            });
        }
        for (pid, member) in &mut self.known {
            member.is_there = there.contains(pid);
        }
        new
    }

    /// Process ids with a socket, as far as was found out.
    pub fn running(&self) -> Vec<u32> {
        self.known.iter().filter(|(_, member)| member.is_there).map(|(pid, _)| *pid).collect()
    }

    /// Running processes whose last known state is like that.
    pub fn running_where(&self, is_wanted: impl Fn(&Status) -> bool) -> Vec<u32> {
        let members = self.known.iter().filter(|(_, member)| member.is_there);
        members.filter(|(_, member)| is_wanted(&member.last)).map(|(pid, _)| *pid).collect()
    }

    /// Has everybody hand over what there is: rings as folders of segments in `folder`, files
    /// where they lie, complete up to now.
    pub fn collect(
        &mut self,
        folder: &Path,
        limit: Duration,
        observer: &mut dyn Observer,
    ) -> Pieces {
        self.refresh();
        let is_ring = |status: &Status| status.mode == "ring";
        let rings = self.running_where(is_ring);
        let dump = |pid: u32| format!("dump {}", folder.join(pid.to_string()).display());
        let mut failed = self.ask_each(&rings, dump, limit);
        let files = self.running_where(|status| !is_ring(status) && status.bytes_written > 0);
        failed.extend(self.ask_each(&files, |_| "flush".to_owned(), limit));
        for (pid, error) in &failed {
            observer.note(&format!("process {pid}: {error}"));
        }
        let mut pieces = Pieces { folder: folder.to_owned(), ..Pieces::default() };
        let ring = |pid: &u32| folder.join(pid.to_string());
        pieces.rings = rings.iter().map(ring).filter(|ring| ring.is_dir()).collect();
        let output = |pid: &u32| self.status_of(*pid).map(|status| status.output.clone());
        pieces.captures = files.iter().filter_map(output).filter(|file| file.is_file()).collect();
        pieces.flushed = self.outputs_of_others(&files, &failed);
        pieces
    }

    /// Files of those of `asked` that run on and have not `failed` to write everything.
    pub(crate) fn outputs_of_others(
        &self,
        asked: &[u32],
        failed: &[(u32, ControlError)],
    ) -> Vec<PathBuf> {
        let has_answered = |pid: &&u32| failed.iter().all(|(other, _)| other != *pid);
        let others = asked.iter().filter(has_answered).filter(|pid| is_alive(**pid));
        others.filter_map(|pid| Some(self.status_of(*pid)?.output.clone())).collect()
    }

    /// Processes with a collector that have not ended.
    pub fn n_alive(&self) -> usize {
        self.known.keys().filter(|pid| is_alive(**pid)).count()
    }

    /// Asks everybody for its state; answers troubles that are new.
    pub fn refresh(&mut self) -> Vec<(u32, String)> {
        let mut troubles = Vec::new();
        for (pid, member) in self.known.iter_mut().filter(|(_, member)| member.is_there) {
            let Ok(now) = status(&member.socket) else { continue };
            if now.trouble.is_some() && now.trouble != member.last.trouble {
                troubles.extend(now.trouble.clone().map(|trouble| (*pid, trouble)));
            }
            member.last = now;
        }
        troubles
    }

    /// The last known state of a process.
    pub fn status_of(&self, pid: u32) -> Option<&Status> {
        self.known.get(&pid).map(|member| &member.last)
    }

    /// Sends a line to one collector; nothing happens when it is not known.
    ///
    /// # Errors
    /// See [`ask`].
    pub fn ask(&self, pid: u32, line: &str, limit: Duration) -> Result<(), ControlError> {
        match self.known.get(&pid) {
            Some(member) => ask(&member.socket, line, limit).map(drop),
            None => Ok(()),
        }
    }

    /// Sends a line to all collectors at the same time; answers what went wrong. Those that ended
    /// meanwhile are no matter.
    pub fn ask_all(&self, line: &str, limit: Duration) -> Vec<(u32, ControlError)> {
        self.ask_each(&self.running(), |_| line.to_owned(), limit)
    }

    /// Sends a line of its own to each of several collectors at the same time.
    pub fn ask_each(
        &self,
        pids: &[u32],
        line: impl Fn(u32) -> String + Sync,
        limit: Duration,
    ) -> Vec<(u32, ControlError)> {
        let line = &line;
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = pids
                .iter()
                .map(|pid| scope.spawn(move || self.ask(*pid, &line(*pid), limit)))
                .collect();
            asked.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let failed = pids.iter().zip(outcomes).filter_map(|(pid, outcome)| match outcome {
            Ok(Err(error)) => Some((*pid, error)),
            _ => None,
        });
        failed.filter(|(_, error)| !matches!(error, ControlError::Unreachable { .. })).collect()
    }

    /// Sums over all processes, ended ones as they were last.
    pub fn totals(&self, elapsed: Duration) -> Totals {
        let mut totals = Totals { elapsed, n_processes: self.known.len(), ..Totals::default() };
        for member in self.known.values() {
            totals.n_armed += usize::from(member.is_there && member.last.is_armed);
            totals.n_rows += member.last.n_rows;
            totals.bytes_written += member.last.bytes_written;
            totals.n_lost += member.last.n_lost;
            totals.cost += member.last.cost;
        }
        totals
    }
}

/// Whether a process runs: one that ended and was not waited for has no memory any more.
fn is_alive(pid: u32) -> bool {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    statm.split(' ').next().is_some_and(|pages| !pages.is_empty() && pages != "0")
}

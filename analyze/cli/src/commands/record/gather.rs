//! Many pieces, one capture.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use underspan_import::{ImportOptions, Imported, NoProgress, import_paths};
use underspan_launcher::{Pieces, ProcessTree};
use underspan_model::tables::{Process, Source};
use underspan_model::{
    Bytes, NONE_I64, NONE_U32, ProblemKind, ProblemLedger, Severity, Timeline, Trust,
};
use underspan_native::{ReadOptions, Reader, WriteOptions};

use super::memory::available_bytes;
use super::stream::{can_stream, stream};
use super::weigh::{Way, Weight, way, weigh};

/// What became of the pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gathered {
    n_events: u64,
    n_processes: usize,
    n_lost: u64,
    n_unfinished: u64,
    written_bytes: u64,
    trust: Trust,
}

/// Joins the pieces into one capture at `output`, which appears only when it is whole.
pub(crate) fn gather(pieces: &Pieces, processes: &ProcessTree, output: &Path) -> Result<Gathered> {
    let weight = weigh(pieces);
    match way(pieces, weight, available_bytes()) {
        Way::Join => join(pieces, processes, output),
        Way::Move => moved(pieces, output, weight),
        Way::Stream(_) if can_stream(pieces) => streamed(pieces, processes, output),
        Way::Stream(needed) => bail!(
            "joining {} rows takes about {} of memory, more than can be spared here",
            weight.n_rows,
            Bytes::new(needed)
        ),
    }
}

/// Joins them in memory.
pub(super) fn join(pieces: &Pieces, processes: &ProcessTree, output: &Path) -> Result<Gathered> {
    let mut inputs = pieces.captures.clone();
    for ring in &pieces.rings {
        inputs.extend(joined_ring(ring, &pieces.folder)?);
    }
    inputs.extend(pieces.others.iter().cloned());
    let (mut timeline, failed) = import_all(inputs)?;
    for (path, reason) in failed {
        note_failed(&mut timeline, &path, &reason);
    }
    forget_flushed(&mut timeline.problems, pieces);
    if let Some((start_ns, end_ns)) = pieces.stretch {
        timeline.keep_between(start_ns, end_ns);
    }
    name_processes(&mut timeline, processes);
    let written_bytes = whole_or_nothing(output, |beside| {
        underspan_native::write_timeline(beside, &timeline, &WriteOptions::default())?;
        Ok(std::fs::metadata(beside)?.len())
    })?;
    Ok(Gathered::of(&timeline, timeline.event_count(), written_bytes))
}

/// Joins them from file to file.
fn streamed(pieces: &Pieces, processes: &ProcessTree, output: &Path) -> Result<Gathered> {
    let streamed = whole_or_nothing(output, |beside| stream(pieces, processes, beside))?;
    Ok(Gathered::of(&streamed.head, streamed.n_events, streamed.bytes))
}

/// Files of processes that run on are not finished, but nothing is missing from them.
pub(super) fn forget_flushed(problems: &mut ProblemLedger, pieces: &Pieces) {
    for path in &pieces.flushed {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        problems.forget(ProblemKind::UnfinishedFile, &name);
    }
}

/// Counts a file that cannot be read.
pub(super) fn note_failed(timeline: &mut Timeline, path: &Path, reason: &str) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    timeline.problems.record(ProblemKind::UnreadableFile, &name, 1, || reason.to_owned());
}

impl Gathered {
    fn of(timeline: &Timeline, n_events: u64, written_bytes: u64) -> Self {
        let pids: HashSet<i64> = timeline.dimensions.processes.pid.iter().copied().collect();
        Self {
            n_events,
            n_processes: pids.len(),
            n_lost: n_lost(&timeline.problems),
            n_unfinished: timeline.problems.count(ProblemKind::UnfinishedFile),
            written_bytes,
            trust: timeline.problems.trust(),
        }
    }

    /// One line for a person.
    pub(crate) fn summary(&self, output: &Path) -> String {
        let killed = match self.n_unfinished {
            0 => String::new(),
            1 => ", 1 process killed before it wrote its last events".to_owned(),
            n => format!(", {n} processes killed before they wrote their last events"),
        };
        format!(
            "underspan: {}: {} events of {} processes in {}, {} lost{killed}, trust {}; next: \
             underspan analyze {0}",
            output.display(),
            self.n_events,
            self.n_processes,
            Bytes::new(self.written_bytes),
            self.n_lost,
            self.trust.as_str(),
        )
    }
}

/// Makes the only piece the capture. It knows its process itself.
fn moved(pieces: &Pieces, output: &Path, weight: Weight) -> Result<Gathered> {
    let piece = pieces.captures.first().context("no piece")?;
    let is_own = piece.starts_with(&pieces.folder);
    let result = if is_own { std::fs::rename(piece, output) } else { Ok(()) };
    result
        .and_then(|()| if is_own { Ok(()) } else { std::fs::copy(piece, output).map(drop) })
        .with_context(|| format!("{}: cannot be written", output.display()))?;
    let reader = Reader::open(output, &ReadOptions::default())?;
    let problems = &reader.head()?.problems;
    Ok(Gathered {
        n_events: weight.n_rows,
        n_processes: 1,
        n_lost: n_lost(problems),
        n_unfinished: problems.count(ProblemKind::UnfinishedFile),
        written_bytes: weight.bytes,
        trust: problems.trust(),
    })
}

fn n_lost(problems: &ProblemLedger) -> u64 {
    // Of a file that was not finished, nobody knows how many are missing.
    let is_known = |kind: ProblemKind| kind != ProblemKind::UnfinishedFile;
    let losses = problems
        .iter()
        .filter(|problem| problem.kind.severity() >= Severity::Loss && is_known(problem.kind));
    losses.map(|problem| problem.count).sum()
}

/// Reads everything that can be read; answers what could not, and why.
pub(super) fn import_all(mut inputs: Vec<PathBuf>) -> Result<(Timeline, Vec<(PathBuf, String)>)> {
    let mut failed: Vec<(PathBuf, String)> = Vec::new();
    // A process that was killed before its first flush leaves an empty file.
    inputs.retain(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0));
    loop {
        let first = failed.first().map(|(_, reason)| reason.as_str()).unwrap_or("no data came");
        ensure!(!inputs.is_empty(), "nothing that was recorded can be read: {first}");
        match import_paths(&inputs, &ImportOptions::default(), &NoProgress) {
            Ok(Imported { timeline, .. }) => return Ok((timeline, failed)),
            Err(error) => {
                let path = error.path().to_owned();
                let before = inputs.len();
                inputs.retain(|input| *input != path);
                if inputs.len() == before {
                    return Err(error).context("cannot join what was recorded");
                }
                failed.push((path, error.to_string()));
            }
        }
    }
}

/// The segments of a ring as one file; none when there are no segments.
pub(super) fn joined_ring(ring: &Path, folder: &Path) -> Result<Option<PathBuf>> {
    let segments = Pieces::segments(ring)?;
    if segments.is_empty() {
        return Ok(None);
    }
    let readable = segments.iter().filter(|path| underspan_native::read_timeline(path).is_ok());
    let timeline = underspan_native::read_segments(readable)?;
    let name = ring.file_name().unwrap_or_default().to_string_lossy();
    let path = folder.join(format!("{name}.ring.uspan"));
    underspan_native::write_timeline(&path, &timeline, &WriteOptions::default())?;
    Ok(Some(path))
}

/// Fills in names and parents, and adds the processes that connect the recorded ones.
pub(super) fn name_processes(timeline: &mut Timeline, tree: &ProcessTree) {
    let mut known = HashSet::new();
    for at in 0..timeline.dimensions.processes.len() {
        let pid = timeline.dimensions.processes.pid[at];
        known.insert(pid);
        let Some(facts) = u32::try_from(pid).ok().and_then(|pid| tree.processes.get(&pid)) else {
            continue;
        };
        let name = timeline.strings.intern(&facts.name).raw();
        let processes = &mut timeline.dimensions.processes;
        if processes.name[at] == NONE_U32 {
            processes.name[at] = name;
        }
        if processes.parent_pid[at] == NONE_I64 {
            processes.parent_pid[at] = i64::from(facts.parent);
        }
    }
    let missing: Vec<_> =
        tree.processes.iter().filter(|(pid, _)| !known.contains(&i64::from(**pid))).collect();
    if missing.is_empty() {
        return;
    }
    let name = timeline.strings.intern("processes").raw();
    let format = timeline.strings.intern("launcher").raw();
    let source = timeline.dimensions.add_source(Source { name, format, ..Source::default() }).raw();
    for (pid, facts) in missing {
        let name = timeline.strings.intern(&facts.name).raw();
        timeline.dimensions.processes.push(Process {
            source,
            pid: i64::from(*pid),
            name,
            parent_pid: i64::from(facts.parent),
            ..Process::default()
        });
    }
}

/// Writes beside `output` and renames: a capture is there as a whole or not at all.
fn whole_or_nothing<T>(output: &Path, write: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let mut beside = output.as_os_str().to_owned();
    beside.push(".incomplete");
    let beside = PathBuf::from(beside);
    let written = write(&beside).and_then(|written| {
        std::fs::rename(&beside, output)?;
        Ok(written)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.with_context(|| format!("{}: cannot be written", output.display()))
}

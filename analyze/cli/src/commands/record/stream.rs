//! Joins captures that do not fit into memory: rows go from file to file chunk by chunk.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use underspan_launcher::{Pieces, ProcessTree};
use underspan_model::tables::TableKind;
use underspan_model::{ClockDomain, Interval, Renumbering, Timeline, TimestampNs};
use underspan_native::{ReadOptions, Reader, WriteOptions, Writer};

use super::gather::{forget_flushed, import_all, joined_ring, name_processes, note_failed};

/// Tables that are copied chunk by chunk, since they grow with what devices do.
const LARGE: &[TableKind] = &[
    TableKind::Kernel,
    TableKind::Memcpy,
    TableKind::Memset,
    TableKind::ApiCall,
    TableKind::Sync,
    TableKind::GraphLaunch,
    TableKind::Overhead,
    TableKind::Annotation,
    TableKind::CpuOp,
    TableKind::Counter,
];
/// Tables that are kept in memory: they grow with requests.
const SMALL: &[TableKind] = &[TableKind::Step, TableKind::StepMember, TableKind::RequestIdentity];

/// What was written.
pub(super) struct Streamed {
    /// Everything but the large tables.
    pub(super) head: Timeline,
    pub(super) n_events: u64,
    pub(super) bytes: u64,
}

/// Whether pieces are of the kind that the collector makes: on the clock of the day, and without
/// tables that would have to be in memory as a whole.
pub(super) fn can_stream(pieces: &Pieces) -> bool {
    pieces.captures.iter().all(|path| {
        let Ok(reader) = Reader::open(path, &ReadOptions::default()) else { return true };
        let Ok(description) = underspan_native::describe(path) else { return true };
        let is_list = |kind: TableKind| kind.code() >= TableKind::Source.code();
        let is_known = |kind: TableKind| LARGE.contains(&kind) || SMALL.contains(&kind);
        let mut with_rows = description.tables.iter().filter(|table| table.rows > 0);
        let mut events = with_rows.clone().filter(|table| !table.kind.is_some_and(is_list));
        // What has no events, as the launcher's own list of problems, is on no clock.
        let is_on_clock = events.next().is_none()
            || reader.head().is_ok_and(|head| head.info.clock == ClockDomain::Realtime);
        is_on_clock
            && with_rows.all(|table| table.kind.is_some_and(|kind| is_known(kind) || is_list(kind)))
    })
}

/// Writes one capture of all pieces to `output`, which must not be there yet.
pub(super) fn stream(pieces: &Pieces, processes: &ProcessTree, output: &Path) -> Result<Streamed> {
    let mut head = small_inputs(pieces)?;
    let mut parts = Vec::new();
    for path in &pieces.captures {
        // As for captures that fit: what cannot be read is counted, and the others are joined.
        match Part::open(path, &mut head) {
            Ok(part) => parts.extend(part),
            Err(error) => note_failed(&mut head, path, &format!("{error:#}")),
        }
    }
    if let Some((start_ns, end_ns)) = pieces.stretch {
        head.keep_between(start_ns, end_ns);
    }
    head.sort();
    name_processes(&mut head, processes);
    let mut writer = Writer::create(output, &WriteOptions::default())?;
    writer.write_info(&head.info)?;
    writer.write_dictionaries(&head.strings, &head.shapes, &head.dimensions)?;
    let mut n_events = 0;
    for &kind in TableKind::ALL.iter().filter(|kind| kind.code() < TableKind::Source.code()) {
        let table = head.table(kind);
        writer.write_rows(table, 0..table.len())?;
        n_events += table.len() as u64;
    }
    let mut problems = std::mem::take(&mut head.problems);
    for (part, kind) in parts.iter().flat_map(|part| LARGE.iter().map(move |kind| (part, *kind))) {
        part.reader.for_each_chunk(kind, range(pieces), &mut problems, |rows| {
            if let Some((start_ns, end_ns)) = pieces.stretch {
                rows.keep_between(start_ns, end_ns);
            }
            rows.sort();
            part.renumbering.apply(rows.table_mut(kind));
            let n = rows.table(kind).len();
            n_events += n as u64;
            writer.write_rows(rows.table(kind), 0..n)
        })?;
    }
    forget_flushed(&mut problems, pieces);
    writer.write_problems(&problems)?;
    head.problems = problems;
    let bytes = writer.finish()?.bytes;
    Ok(Streamed { head, n_events, bytes })
}

/// Everything that is not the capture of a process: rings, files of the hook, spans.
fn small_inputs(pieces: &Pieces) -> Result<Timeline> {
    let mut inputs = pieces.others.clone();
    for ring in &pieces.rings {
        inputs.extend(joined_ring(ring, &pieces.folder)?);
    }
    if inputs.is_empty() {
        return Ok(Timeline::new());
    }
    match import_all(inputs) {
        Ok((mut timeline, failed)) => {
            for (path, reason) in failed {
                note_failed(&mut timeline, &path, &reason);
            }
            Ok(timeline)
        }
        // Steps and spans are worth less than what the devices did.
        Err(error) => {
            let mut timeline = Timeline::new();
            note_failed(&mut timeline, &pieces.folder, &format!("{error:#}"));
            Ok(timeline)
        }
    }
}

fn range(pieces: &Pieces) -> Option<Interval> {
    let (start_ns, end_ns) = pieces.stretch?;
    Some(Interval::new(TimestampNs::from_ns(start_ns), TimestampNs::from_ns(end_ns)))
}

/// A capture whose lists are part of the whole already.
struct Part {
    reader: Reader,
    renumbering: Renumbering,
}

impl Part {
    /// Adds the lists and the small tables of a capture to `whole`; `None` for an empty file, which
    /// a process leaves that was killed before its first flush.
    fn open(path: &PathBuf, whole: &mut Timeline) -> Result<Option<Self>> {
        if std::fs::metadata(path).with_context(|| path.display().to_string())?.len() == 0 {
            return Ok(None);
        }
        let reader = Reader::open(path, &ReadOptions::default())?;
        let mut own = reader.head()?.clone();
        let mut problems = std::mem::take(&mut own.problems);
        for &kind in SMALL {
            reader.for_each_chunk(kind, None, &mut problems, |rows| {
                own.take_rows(kind, rows);
                anyhow::Ok(())
            })?;
        }
        own.problems = problems;
        let renumbering = whole.append(own);
        Ok(Some(Self { reader, renumbering }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_engine::trace_builder::TraceBuilder;
    use underspan_model::ProblemKind;
    use underspan_model::tables::AnnotationKind;
    use underspan_native::{read_timeline, write_timeline};

    /// Captures of three processes, on the clock of the day, with ids of their own.
    fn captures(folder: &Path) -> Vec<PathBuf> {
        let capture = |process: i64| {
            let mut trace = TraceBuilder::new();
            trace.process(process);
            for n in 0..40 {
                let at = 1000 * n + process;
                trace.launch(
                    &format!("kernel {} of {process}", n % 7),
                    at..at + 5,
                    at + 8..at + 90,
                );
            }
            trace.annotation(AnnotationKind::NvtxPushPop, "step", 0..30_000);
            let mut timeline = trace.build();
            timeline.info.clock = ClockDomain::Realtime;
            timeline.problems.record(ProblemKind::BufferStarved, "x", process as u64, String::new);
            let path = folder.join(format!("{process}.uspan"));
            write_timeline(&path, &timeline, &WriteOptions::default()).expect("writable");
            path
        };
        [11, 12, 13].map(capture).to_vec()
    }

    fn both(pieces: &Pieces, folder: &Path) -> (Timeline, Timeline) {
        let tree = ProcessTree::new(11);
        let (streamed, joined) = (folder.join("streamed.out"), folder.join("joined.out"));
        assert!(can_stream(pieces));
        let told = stream(pieces, &tree, &streamed).expect("they join");
        super::super::gather::join(pieces, &tree, &joined).expect("they join");
        let streamed = read_timeline(&streamed).expect("a capture");
        assert_eq!(told.n_events, streamed.event_count());
        (streamed, read_timeline(&joined).expect("a capture"))
    }

    #[test]
    fn a_streamed_join_is_the_join() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let pieces = Pieces {
            folder: dir.path().to_owned(),
            captures: captures(dir.path()),
            ..Pieces::default()
        };
        let (streamed, joined) = both(&pieces, dir.path());
        assert_eq!((streamed.kernels.len(), streamed.api_calls.len()), (120, 120));
        assert!(streamed == joined, "{streamed:?}\n{joined:?}");
        let cut = Pieces { stretch: Some((5_000, 20_000)), ..pieces };
        let (streamed, joined) = both(&cut, dir.path());
        assert!((40..60).contains(&streamed.kernels.len()), "{}", streamed.kernels.len());
        assert!(streamed == joined);
    }

    #[test]
    fn what_cannot_be_read_is_counted_and_the_rest_is_joined() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let mut captures = captures(dir.path());
        std::fs::write(&captures[1], "no capture").expect("write");
        let empty = dir.path().join("14.uspan");
        std::fs::write(&empty, "").expect("write");
        captures.push(empty);
        let pieces = Pieces { folder: dir.path().to_owned(), captures, ..Pieces::default() };
        let output = dir.path().join("out.uspan");
        stream(&pieces, &ProcessTree::new(11), &output).expect("two of them join");
        let whole = read_timeline(&output).expect("a capture");
        assert_eq!(whole.kernels.len(), 80);
        assert_eq!(whole.problems.count(ProblemKind::UnreadableFile), 1, "{:?}", whole.problems);
    }

    #[test]
    fn captures_on_another_clock_are_not_streamed() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let path = dir.path().join("a.uspan");
        let mut timeline = TraceBuilder::new().launch("k", 0..5, 8..20).build();
        timeline.info.clock = ClockDomain::Monotonic;
        write_timeline(&path, &timeline, &WriteOptions::default()).expect("writable");
        let pieces = Pieces { captures: vec![path], ..Pieces::default() };
        assert!(!can_stream(&pieces));

        // The launcher's piece has problems and nothing that happened at a time.
        let path = dir.path().join("launcher.uspan");
        let mut timeline = Timeline::new();
        timeline.problems.record(ProblemKind::MissingEvidence, "NVML", 1, String::new);
        write_timeline(&path, &timeline, &WriteOptions::default()).expect("writable");
        assert!(can_stream(&Pieces { captures: vec![path], ..Pieces::default() }));
    }
}

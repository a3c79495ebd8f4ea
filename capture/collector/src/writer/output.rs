//! Where rows go: one growing file, or a folder of segments of which the last ones are kept.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use underspan_model::tables::TableKind;
use underspan_model::{ColumnMut, ProblemKind};
use underspan_native::{WriteOptions, Writer};

use super::file::{CaptureFile, Disk};
use super::rows::Rows;
use crate::config::{Config, Mode};

/// Kept free for the ledger, whatever happens to rows.
const RESERVE_BYTES: u64 = 64 << 10;

/// Writes what [`Rows`] gathered.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    ring: Option<Ring>,
    open: Option<OpenFile>,
    n_rows_written: u64,
    n_problems_written: u64,
    bytes_before: u64,
}

#[derive(Debug)]
struct OpenFile {
    writer: Writer<CaptureFile>,
    disk: Disk,
    path: PathBuf,
    started: Instant,
    n_rows: u64,
}

#[derive(Debug)]
struct Ring {
    segment_length: Duration,
    n_kept: usize,
    next_number: u64,
    finished: VecDeque<(PathBuf, u64)>,
}

impl Output {
    /// Where `config` says. Nothing is created yet.
    pub(super) fn new(config: &Config) -> Self {
        let ring = (config.mode == Mode::Ring).then(|| Ring {
            segment_length: config.ring_window / config.ring_segments,
            n_kept: config.ring_segments as usize,
            next_number: 0,
            finished: VecDeque::new(),
        });
        Self {
            path: config.output.clone(),
            ring,
            open: None,
            n_rows_written: 0,
            n_problems_written: u64::MAX,
            bytes_before: 0,
        }
    }

    /// The file that is written now, or will be.
    pub(super) fn path(&self) -> &Path {
        self.open.as_ref().map_or(&self.path, |open| &open.path)
    }

    /// Bytes written so far, over all segments.
    pub(super) fn len_bytes(&self) -> u64 {
        self.bytes_before + self.open.as_ref().map_or(0, |open| open.writer.len_bytes())
    }

    /// Rows in files so far, overwritten ones included.
    pub(super) fn n_rows_written(&self) -> u64 {
        self.n_rows_written
    }

    /// Opens the file, if none is open.
    pub(super) fn open(&mut self, rows: &mut Rows) -> Result<(), String> {
        if self.open.is_some() {
            return Ok(());
        }
        let wanted = match &mut self.ring {
            Some(ring) => {
                let name = format!("{:08}.uspan", ring.next_number);
                ring.next_number += 1;
                self.path.join(name)
            }
            None => self.path.clone(),
        };
        let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", wanted.display());
        let (file, path) = CaptureFile::create(&wanted).map_err(|error| describe(&error))?;
        let disk = file.disk().map_err(|error| describe(&error))?;
        let writer = Writer::new(file, &WriteOptions::default())
            .and_then(|mut writer| writer.write_info(&rows.timeline.info).map(|()| writer))
            .map_err(|error| describe(&error))?;
        self.n_problems_written = u64::MAX;
        self.open = Some(OpenFile { writer, disk, path, started: Instant::now(), n_rows: 0 });
        Ok(())
    }

    /// Writes all rows, what they refer to, and the ledger when it has changed. Rows that cannot
    /// be written are counted there and are gone.
    pub(super) fn flush(&mut self, rows: &mut Rows) {
        if let Err(error) = self.open(rows) {
            let lost = n_waiting(rows);
            rows.problem(ProblemKind::WriteFailed, lost, || error);
            clear(rows);
            return;
        }
        let Some(open) = &mut self.open else { return };
        if !open.disk.is_there() {
            let lost = n_waiting(rows);
            rows.problem(ProblemKind::WriteFailed, lost, || "the host closed the file".to_owned());
            clear(rows);
            return;
        }
        let needed = RESERVE_BYTES + raw_bytes(rows);
        if open.disk.room(open.writer.len_bytes()) < needed {
            let lost = n_waiting(rows);
            rows.problem(ProblemKind::WriteFailed, lost, || "no room on the disk".to_owned());
        } else {
            let (written, failure) = open.write(rows);
            self.n_rows_written += written;
            open.n_rows += written;
            if let Some(error) = failure {
                let lost = n_waiting(rows) - written;
                rows.problem(ProblemKind::WriteFailed, lost, || error);
            }
        }
        clear(rows);
        let n_problems = rows.timeline.problems.iter().map(|problem| problem.count).sum();
        if n_problems != self.n_problems_written
            && open.writer.write_problems(&rows.timeline.problems).is_ok()
        {
            self.n_problems_written = n_problems;
        }
        let is_over = |ring: &Ring| open.started.elapsed() >= ring.segment_length;
        if self.ring.as_ref().is_some_and(is_over) {
            self.rotate(rows);
        }
    }

    /// Ends the segment that is open and forgets the oldest.
    fn rotate(&mut self, rows: &mut Rows) {
        self.close();
        let Some(ring) = &mut self.ring else { return };
        while ring.finished.len() > ring.n_kept {
            if let Some((path, n_rows)) = ring.finished.pop_front() {
                let removed = fs::remove_file(&path);
                rows.problem(ProblemKind::RingOverwritten, n_rows, || {
                    let name = path.file_name().unwrap_or_default().display();
                    match removed {
                        Ok(()) => format!("segment {name}"),
                        Err(error) => format!("segment {name} could not be removed: {error}"),
                    }
                });
            }
        }
    }

    /// Completes the open file.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.bytes_before += open.writer.len_bytes();
        if !open.disk.is_there() {
            // What is open under its number now is not ours to write to, nor to close.
            std::mem::forget(open);
            return;
        }
        // Without its closing chunk the file still reads, as after a kill.
        let _ = open.writer.finish();
        if let Some(ring) = &mut self.ring {
            ring.finished.push_back((open.path, open.n_rows));
        }
    }

    /// Writes everything and completes the file.
    pub(super) fn finish(&mut self, rows: &mut Rows) {
        self.flush(rows);
        self.close();
    }

    /// Puts the segments of the ring into the new folder `to` and goes on recording; answers how
    /// many there are.
    pub(super) fn dump(&mut self, rows: &mut Rows, to: &Path) -> io::Result<usize> {
        if self.ring.is_none() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "there is no ring to dump"));
        }
        self.flush(rows);
        self.rotate(rows);
        fs::create_dir(to)?;
        let segments = self.ring.as_ref().map(|ring| &ring.finished);
        let mut n = 0;
        for (path, _) in segments.into_iter().flatten() {
            let target = to.join(path.file_name().unwrap_or_default());
            // A link costs nothing; across file systems it takes a copy.
            fs::hard_link(path, &target).or_else(|_| fs::copy(path, &target).map(|_| ()))?;
            n += 1;
        }
        Ok(n)
    }
}

impl OpenFile {
    /// Rows written, and why not all of them.
    fn write(&mut self, rows: &Rows) -> (u64, Option<String>) {
        let timeline = &rows.timeline;
        let dictionaries = self.writer.write_dictionaries(
            &timeline.strings,
            &timeline.shapes,
            &timeline.dimensions,
        );
        if let Err(error) = dictionaries {
            return (0, Some(error.to_string()));
        }
        let mut n_written = 0;
        for table in timeline.tables() {
            if is_event(table.kind()) && !table.is_empty() {
                if let Err(error) = self.writer.write_rows(table, 0..table.len()) {
                    return (n_written, Some(error.to_string()));
                }
                n_written += table.len() as u64;
            }
        }
        (n_written, None)
    }
}

/// Whether rows of this table are written and forgotten, as opposed to what they refer to.
fn is_event(kind: TableKind) -> bool {
    kind.code() < TableKind::Source.code()
}

/// Rows that wait to be written.
pub(super) fn n_waiting(rows: &Rows) -> u64 {
    rows.timeline.event_count()
}

fn raw_bytes(rows: &Rows) -> u64 {
    let tables = rows.timeline.tables();
    let row_bytes = |specs: &[underspan_model::ColumnSpec]| {
        specs.iter().map(|spec| spec.ty.width() as u64).sum::<u64>()
    };
    let events = tables.iter().filter(|table| is_event(table.kind()));
    events.map(|table| table.len() as u64 * row_bytes(table.specs())).sum()
}

fn clear(rows: &mut Rows) {
    for table in rows.timeline.tables_mut() {
        if is_event(table.kind()) {
            for column in table.columns_mut() {
                match column {
                    ColumnMut::U8(values) => values.clear(),
                    ColumnMut::U32(values) => values.clear(),
                    ColumnMut::U64(values) => values.clear(),
                    ColumnMut::I64(values) => values.clear(),
                    ColumnMut::F64(values) => values.clear(),
                }
            }
        }
    }
}

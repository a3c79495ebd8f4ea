//! What a writer promises: order, errors, and files that are replaced only by whole ones.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::io::{self, Write};

use underspan_model::tables::Kernel;
use underspan_model::{ProblemKind, Timeline, Trust};
use underspan_native::{Error, WriteOptions, Writer, read_timeline, verify, write_timeline};

#[test]
fn what_is_learned_of_a_device_later_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.uspan");
    let mut t = Timeline::new();
    let mut writer = Writer::create(&path, &WriteOptions::default()).unwrap();
    let write = |writer: &mut Writer<_>, t: &Timeline| {
        writer.write_dictionaries(&t.strings, &t.shapes, &t.dimensions).unwrap();
        writer.len_bytes()
    };
    let source = t.dimensions.add_source(Default::default());
    let process = t.dimensions.process_id(source, 4242);
    for ordinal in 0..20 {
        let device = t.dimensions.device_id(source, ordinal);
        t.dimensions.stream_id(process, device, 1, 7);
    }
    let first = write(&mut writer, &t);
    assert_eq!(write(&mut writer, &t), first, "nothing new is nothing written");
    t.kernels.push(Kernel { start_ns: 5, duration_ns: 6, stream: 19, ..Kernel::default() });
    writer.write_rows(&t.kernels, 0..1).unwrap();
    let name = t.strings.intern("NVIDIA H100");
    t.dimensions.devices.name[7] = name.raw();
    t.dimensions.processes.rank[0] = 3;
    write(&mut writer, &t);
    writer.flush().unwrap();
    writer.sync().unwrap();
    // Readable before it is finished.
    let mut so_far = read_timeline(&path).unwrap();
    let unfinished = so_far.problems.iter().next().unwrap();
    assert_eq!((unfinished.kind, unfinished.count), (ProblemKind::UnfinishedFile, 1));
    assert!(unfinished.example.ends_with("none; its rows end at 0.000 s"), "{unfinished:?}");
    assert_eq!(so_far.problems.trust(), Trust::Partial);
    so_far.problems = t.problems.clone();
    assert_eq!(so_far, t);
    writer.finish().unwrap();
    assert_eq!(read_timeline(&path).unwrap(), t);
    assert_eq!(verify(&path).unwrap().findings, []);
}

#[test]
fn the_last_ledger_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.uspan");
    let mut t = Timeline::new();
    let mut writer = Writer::create(&path, &WriteOptions::default()).unwrap();
    for n in 1..4 {
        t.problems.record(ProblemKind::BufferStarved, "rank 0", n, || format!("buffer {n}"));
        writer.write_problems(&t.problems).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(read_timeline(&path).unwrap().problems, t.problems);
}

#[test]
fn rows_outside_the_table_are_refused() {
    let mut t = Timeline::new();
    t.kernels.push(Kernel::default());
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &WriteOptions::default()).unwrap();
    let error = writer.write_rows(&t.kernels, 0..2).unwrap_err();
    let text = "(stream): cannot store rows of a table: expected a range within 0..1, found 0..2";
    assert_eq!(error.to_string(), text);
    writer.write_rows(&t.kernels, 1..1).unwrap();
}

/// A disk with room for some bytes.
struct SmallDisk(usize);

impl Write for SmallDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_what_failed() {
    let t = support::timeline(1, 2000);
    let mut writer = Writer::new(SmallDisk(2000), &WriteOptions::default()).unwrap();
    let written = writer
        .write_dictionaries(&t.strings, &t.shapes, &t.dimensions)
        .and_then(|()| writer.write_rows(&t.kernels, 0..t.kernels.len()));
    let error = written.unwrap_err();
    assert!(matches!(error, Error::Io { action: "write", .. }), "{error}");
    assert!(Writer::new(SmallDisk(10), &WriteOptions::default()).is_err());
}

/// A disk that is full for a moment, in the middle of a write.
struct Hiccup {
    bytes: Vec<u8>,
    fails_at: usize,
}

impl Write for &mut Hiccup {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.fails_at.saturating_sub(self.bytes.len());
        if room > 0 && room < bytes.len() {
            self.bytes.extend_from_slice(&bytes[..room]);
            return Ok(room);
        }
        if self.fails_at > 0 && self.bytes.len() >= self.fails_at {
            self.fails_at = 0;
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_write_that_fails_in_the_middle_costs_its_chunk_alone() {
    let mut t = Timeline::new();
    for n in 0..1000 {
        t.kernels.push(Kernel { start_ns: n * n, duration_ns: 1, ..Kernel::default() });
    }
    for fails_at in [200, 300, 1000, 2000] {
        let mut disk = Hiccup { bytes: Vec::new(), fails_at };
        let mut writer = Writer::new(&mut disk, &WriteOptions::default()).unwrap();
        writer.write_info(&t.info).unwrap();
        let mut kept = Vec::new();
        for start in (0..1000).step_by(100) {
            if writer.write_rows(&t.kernels, start..start + 100).is_ok() {
                kept.extend_from_slice(&t.kernels.start_ns[start..start + 100]);
            }
        }
        writer.finish().unwrap();
        assert_eq!(kept.len(), 900);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hiccup.uspan");
        std::fs::write(&path, &disk.bytes).unwrap();
        let read = read_timeline(&path).unwrap();
        assert!(read.kernels.start_ns == kept, "failed at {fails_at}");
        // What was cut within its header does not say how many rows it had.
        let n_lost = read.problems.count(ProblemKind::CorruptChunk);
        assert!(n_lost == 100 || n_lost == 1 && fails_at == 200, "{n_lost} at {fails_at}");
    }
}

#[test]
fn a_file_is_replaced_by_a_whole_one_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.uspan");
    let options = WriteOptions::default();
    let (old, new) = (support::timeline(1, 50), support::timeline(2, 50));
    write_timeline(&path, &old, &options).unwrap();
    write_timeline(&path, &new, &options).unwrap();
    assert!(read_timeline(&path).unwrap() == new);

    #[cfg(unix)]
    {
        let link = folder.path().join("link.uspan");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_timeline(&link, &old, &options).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(read_timeline(&path).unwrap() == old);
        std::fs::remove_file(&link).unwrap();
    }

    // A folder cannot be replaced by a file: the attempt leaves nothing behind.
    let taken = folder.path().join("taken.uspan");
    std::fs::create_dir(&taken).unwrap();
    assert!(write_timeline(&taken, &new, &options).is_err());
    assert!(write_timeline(&folder.path().join("no/such/folder.uspan"), &new, &options).is_err());
    let mut left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["capture.uspan", "taken.uspan"]);
}

#[test]
fn the_same_rows_give_the_same_file_whole_or_in_pieces() {
    let t = support::timeline(6, 500);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.uspan");
    let options = WriteOptions { rows_per_chunk: 64, ..WriteOptions::default() };
    write_timeline(&path, &t, &options).unwrap();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &options).unwrap();
    writer.write_info(&t.info).unwrap();
    writer.write_dictionaries(&t.strings, &t.shapes, &t.dimensions).unwrap();
    for table in t.tables().into_iter().filter(|table| table.kind().code() < 32) {
        writer.write_rows(table, 0..table.len()).unwrap();
    }
    if !t.problems.is_empty() {
        writer.write_problems(&t.problems).unwrap();
    }
    let summary = writer.finish().unwrap();
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert!(std::fs::read(&path).unwrap() == bytes);
}

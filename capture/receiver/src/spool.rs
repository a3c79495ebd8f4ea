//! The files that exports of spans are kept in.
//!
//! Two files, made when the first export of their kind comes: `spans.otlp.pb` holds messages in
//! protobuf, each with its length in front (four bytes, the highest first, as the OpenTelemetry
//! Collector's file exporter writes them), `spans.otlp.jsonl` one JSON document after the other.
//! Both are what `underspan-import` reads.
//!
//! An export is acknowledged when the system has taken its bytes: whatever ends this process, it is
//! in the file. The last export may be cut off then, and a reader can be told to accept that. When
//! the disk is full a file is cut back to its last whole export.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::content::Encoding;
use crate::stats::Counted;

/// Exports that wait for the writer; each waits for its own acknowledgement too.
const WAITING: usize = 256;
/// Most bytes that are written in one go, unless one export is longer.
const BATCH_BYTES: usize = 4 << 20;

/// An export that is to be kept.
struct Entry {
    encoding: Encoding,
    payload: Bytes,
    n_spans: u64,
    kept: oneshot::Sender<()>,
}

/// Where exports are handed in.
#[derive(Clone)]
pub(crate) struct Spool {
    entries: mpsc::Sender<Entry>,
}

/// The thread that writes.
pub(crate) struct SpoolWriter {
    thread: JoinHandle<Vec<PathBuf>>,
}

impl Spool {
    /// Starts the thread that writes into `folder`, at most `limit_bytes` in all files together.
    pub(crate) fn start(
        folder: &Path,
        limit_bytes: u64,
        counted: Arc<Counted>,
    ) -> io::Result<(Self, SpoolWriter)> {
        let (entries, incoming) = mpsc::channel(WAITING);
        let files = Files {
            protobuf: SpoolFile::new(folder.join("spans.otlp.pb")),
            json: SpoolFile::new(folder.join("spans.otlp.jsonl")),
            limit_bytes,
            counted,
        };
        let thread = std::thread::Builder::new()
            .name("underspan-spool".to_owned())
            .spawn(move || files.run(incoming))?;
        Ok((Self { entries }, SpoolWriter { thread }))
    }

    /// Keeps an export. Returns when the system has its bytes, or when it is known, and counted,
    /// that they cannot be kept.
    pub(crate) async fn keep(&self, encoding: Encoding, payload: Bytes, n_spans: u64) {
        let (kept, done) = oneshot::channel();
        let entry = Entry { encoding, payload, n_spans, kept };
        if self.entries.send(entry).await.is_ok() {
            let _ = done.await;
        }
    }
}

impl SpoolWriter {
    /// Waits for the last export and returns the files that were made. Every [`Spool`] must be
    /// gone.
    pub(crate) fn finish(self) -> Vec<PathBuf> {
        self.thread.join().unwrap_or_default()
    }
}

struct Files {
    protobuf: SpoolFile,
    json: SpoolFile,
    limit_bytes: u64,
    counted: Arc<Counted>,
}

impl Files {
    fn run(mut self, mut incoming: mpsc::Receiver<Entry>) -> Vec<PathBuf> {
        let mut batch = Vec::new();
        while let Some(first) = incoming.blocking_recv() {
            let mut n_bytes = first.payload.len();
            batch.push(first);
            while n_bytes < BATCH_BYTES
                && let Ok(next) = incoming.try_recv()
            {
                n_bytes += next.payload.len();
                batch.push(next);
            }
            self.write(&batch);
            for entry in batch.drain(..) {
                // Whoever handed it in may have gone away.
                let _ = entry.kept.send(());
            }
        }
        [self.protobuf, self.json].into_iter().filter_map(SpoolFile::finish).collect()
    }

    /// Writes what there is room for, and counts it.
    fn write(&mut self, batch: &[Entry]) {
        let mut left = self.limit_bytes.saturating_sub(self.protobuf.length + self.json.length);
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            let mut n_spans = 0;
            let mut without_room = 0;
            let mut bytes = Vec::new();
            for entry in batch.iter().filter(|entry| entry.encoding == encoding) {
                let length = entry.payload.len() as u64 + 4;
                let Some(rest) = left.checked_sub(length) else {
                    without_room += entry.n_spans;
                    continue;
                };
                left = rest;
                n_spans += entry.n_spans;
                put(&mut bytes, entry);
            }
            let file = match encoding {
                Encoding::Protobuf => &mut self.protobuf,
                Encoding::Json => &mut self.json,
            };
            let outcome = if bytes.is_empty() { Ok(()) } else { file.append(&bytes) };
            let mut counted = self.counted.lock();
            counted.unspooled_spans += without_room;
            if without_room > 0 {
                counted.spool_error = Some(format!("more than {} bytes", self.limit_bytes));
            }
            match outcome {
                Ok(()) => {
                    counted.spooled_spans += n_spans;
                    counted.spooled_bytes += bytes.len() as u64;
                }
                Err(error) => {
                    counted.unspooled_spans += n_spans;
                    counted.spool_error = Some(format!("{}: {error}", file.path.display()));
                }
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, entry: &Entry) {
    match entry.encoding {
        Encoding::Protobuf => {
            // Bodies are bounded far below 4 GiB.
            let length = u32::try_from(entry.payload.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&entry.payload);
        }
        Encoding::Json => {
            bytes.extend_from_slice(&entry.payload);
            bytes.push(b'\n');
        }
    }
}

/// A file that is only appended to, in whole exports.
struct SpoolFile {
    path: PathBuf,
    file: Option<File>,
    /// Bytes of whole exports in it.
    length: u64,
    /// Whether half an export may follow them.
    has_tail: bool,
}

impl SpoolFile {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None, length: 0, has_tail: false }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(create(&self.path)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.has_tail {
            file.set_len(self.length)?;
        }
        self.has_tail = true;
        if let Err(error) = file.write_all(bytes) {
            // Nothing of it is kept: a reader would stop at half an export.
            self.has_tail = file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.has_tail = false;
        Ok(())
    }

    /// Makes the file safe against a loss of power; its path when it holds anything.
    fn finish(self) -> Option<PathBuf> {
        let file = self.file?;
        // A file system that cannot do it has taken the bytes all the same.
        let _ = file.sync_data();
        (self.length > 0).then_some(self.path)
    }
}

/// A new file, readable by its owner only.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(folder: &Path, limit_bytes: u64, exports: &[(Encoding, &'static [u8])]) -> Counted {
        let counted = Arc::new(Counted::default());
        let (spool, writer) =
            Spool::start(folder, limit_bytes, Arc::clone(&counted)).expect("a thread");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            for (encoding, payload) in exports {
                spool.keep(*encoding, Bytes::from_static(payload), 1).await;
            }
        });
        drop(spool);
        writer.finish();
        Arc::into_inner(counted).expect("the writer is gone")
    }

    #[test]
    fn files_are_made_when_needed_and_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        spool(folder.path(), 1000, &[]);
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
        let counted = spool(
            folder.path(),
            1000,
            &[(Encoding::Protobuf, b"abc"), (Encoding::Json, b"{}"), (Encoding::Protobuf, b"")],
        );
        assert_eq!(counted.lock().spooled_spans, 3);
        let path = folder.path().join("spans.otlp.pb");
        let file = std::fs::read(&path).expect("the file");
        assert_eq!(file, b"\0\0\0\x03abc\0\0\0\0");
        let mode = std::fs::metadata(&path).expect("its mode").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let json = std::fs::read(folder.path().join("spans.otlp.jsonl")).expect("the file");
        assert_eq!(json, b"{}\n");
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_rest_stays_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let counted = spool(
            folder.path(),
            20,
            &[
                (Encoding::Protobuf, b"0123456789"),
                (Encoding::Protobuf, b"too long"),
                (Encoding::Protobuf, b"ab"),
            ],
        );
        let counted = counted.lock();
        assert_eq!((counted.spooled_spans, counted.unspooled_spans), (2, 1));
        assert_eq!(counted.spool_error.as_deref(), Some("more than 20 bytes"));
        let file = std::fs::read(folder.path().join("spans.otlp.pb")).expect("the file");
        assert_eq!(file, b"\0\0\0\x0a0123456789\0\0\0\x02ab");
    }

    #[test]
    fn a_file_that_is_there_is_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spans.otlp.pb");
        std::fs::write(&path, "another's").expect("a file");
        let counted = spool(folder.path(), 1000, &[(Encoding::Protobuf, b"abc")]);
        assert_eq!(counted.lock().unspooled_spans, 1);
        assert!(counted.lock().spool_error.is_some());
        assert_eq!(std::fs::read(&path).expect("the file"), b"another's");
    }

    #[test]
    fn half_an_export_is_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool");
        let mut file = SpoolFile::new(path.clone());
        file.append(b"whole").expect("room");
        // A file opened for reading refuses every write.
        let writable = file.file.replace(File::open(&path).expect("the file"));
        assert!(file.append(b"refused").is_err());
        file.file = writable;
        file.append(b", whole").expect("room");
        assert_eq!(std::fs::read(&path).expect("the file"), b"whole, whole");
    }
}

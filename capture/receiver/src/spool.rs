//! The files that exports of spans are kept in.
//!
//! Files are made when the first export of their kind comes: `spans.otlp.pb` holds messages in
//! protobuf, each with its length in front (four bytes, the highest first, as the OpenTelemetry
//! Collector's file exporter writes them), `spans.otlp.jsonl` one JSON document after the other.
//! When the last stretch of time is kept only, there are several of each, numbered, and the oldest
//! are removed. All of them are what `underspan-import` reads.
//!
//! An export is acknowledged when the system has taken its bytes: whatever ends this process, it is
//! in the file. The last export may be cut off then, and a reader can be told to accept that. When
//! the disk is full a file is cut back to its last whole export.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::content::Encoding;
use crate::options::Keep;
use crate::stats::Counted;

/// Exports that wait for the writer; each waits for its own acknowledgement too.
const WAITING: usize = 256;
/// Most bytes that are written in one go, unless one export is longer.
const BATCH_BYTES: usize = 4 << 20;
/// Files that a stretch of time is kept in, and one more.
const SEGMENTS: u32 = 4;

/// What the writer is asked for.
enum Order {
    Keep(Entry),
    /// Keep nothing more, and say which files there are.
    Finish(oneshot::Sender<Vec<PathBuf>>),
    /// Begin new files, and say which whole ones there are.
    Turn(oneshot::Sender<Vec<PathBuf>>),
}

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
    orders: mpsc::Sender<Order>,
}

/// The thread that writes.
pub(crate) struct SpoolWriter {
    thread: JoinHandle<Vec<PathBuf>>,
}

impl Spool {
    /// Starts the thread that writes into `folder`, at most `limit_bytes` in all files together.
    pub(crate) fn start(
        folder: &Path,
        keep: Keep,
        limit_bytes: u64,
        counted: Arc<Counted>,
    ) -> io::Result<(Self, SpoolWriter)> {
        let (orders, incoming) = mpsc::channel(WAITING);
        let files = Files {
            protobuf: Segments::new(folder, "otlp.pb", keep),
            json: Segments::new(folder, "otlp.jsonl", keep),
            limit_bytes,
            counted,
        };
        let thread = std::thread::Builder::new()
            .name("underspan-spool".to_owned())
            .spawn(move || files.run(incoming))?;
        Ok((Self { orders }, SpoolWriter { thread }))
    }

    /// Keeps an export. Returns when the system has its bytes, or when it is known, and counted,
    /// that they cannot be kept.
    pub(crate) async fn keep(&self, encoding: Encoding, payload: Bytes, n_spans: u64) {
        let (kept, done) = oneshot::channel();
        let entry = Entry { encoding, payload, n_spans, kept };
        if self.orders.send(Order::Keep(entry)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Keeps nothing more; the files that there are.
    pub(crate) async fn finish(&self) -> Vec<PathBuf> {
        self.files(Order::Finish).await
    }

    /// The whole files of the last stretch of time; what comes now goes into new ones.
    pub(crate) async fn turn(&self) -> Vec<PathBuf> {
        self.files(Order::Turn).await
    }

    async fn files(&self, order: fn(oneshot::Sender<Vec<PathBuf>>) -> Order) -> Vec<PathBuf> {
        let (files, done) = oneshot::channel();
        if self.orders.send(order(files)).await.is_err() {
            return Vec::new();
        }
        done.await.unwrap_or_default()
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
    protobuf: Segments,
    json: Segments,
    limit_bytes: u64,
    counted: Arc<Counted>,
}

impl Files {
    fn run(mut self, mut incoming: mpsc::Receiver<Order>) -> Vec<PathBuf> {
        let mut finished: Option<Vec<PathBuf>> = None;
        let mut batch = Vec::new();
        let mut next = incoming.blocking_recv();
        while let Some(order) = next.take() {
            match order {
                Order::Finish(files) => {
                    let finished = finished.get_or_insert_with(|| self.finish());
                    // Whoever asked may have gone away, here and below.
                    let _ = files.send(finished.clone());
                }
                Order::Turn(files) => {
                    let now = Instant::now();
                    let whole = [&mut self.protobuf, &mut self.json]
                        .into_iter()
                        .flat_map(|segments| segments.turned(now));
                    let _ = files.send(whole.collect());
                }
                Order::Keep(first) => {
                    let mut n_bytes = first.payload.len();
                    batch.push(first);
                    while n_bytes < BATCH_BYTES {
                        match incoming.try_recv() {
                            Ok(Order::Keep(entry)) => {
                                n_bytes += entry.payload.len();
                                batch.push(entry);
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    if finished.is_none() {
                        self.write(&batch);
                    }
                    for entry in batch.drain(..) {
                        let _ = entry.kept.send(());
                    }
                }
            }
            if next.is_none() {
                next = incoming.blocking_recv();
            }
        }
        finished.unwrap_or_else(|| self.finish())
    }

    fn finish(&mut self) -> Vec<PathBuf> {
        [&mut self.protobuf, &mut self.json].into_iter().flat_map(Segments::finish).collect()
    }

    /// Writes what there is room for, and counts it.
    fn write(&mut self, batch: &[Entry]) {
        let now = Instant::now();
        self.protobuf.turn(now);
        self.json.turn(now);
        let used = self.protobuf.length() + self.json.length();
        let mut left = self.limit_bytes.saturating_sub(used);
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
            let segments = match encoding {
                Encoding::Protobuf => &mut self.protobuf,
                Encoding::Json => &mut self.json,
            };
            let outcome = if bytes.is_empty() { Ok(()) } else { segments.append(&bytes, now) };
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
                    counted.spool_error = Some(error.to_string());
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

/// The files of one encoding.
struct Segments {
    folder: PathBuf,
    extension: &'static str,
    keep: Keep,
    n_made: u64,
    current: Option<(SpoolFile, Instant)>,
    /// Whole files, oldest first, with the time of their last export.
    old: VecDeque<(PathBuf, u64, Instant)>,
}

impl Segments {
    fn new(folder: &Path, extension: &'static str, keep: Keep) -> Self {
        let folder = folder.to_owned();
        Self { folder, extension, keep, n_made: 0, current: None, old: VecDeque::new() }
    }

    /// Bytes in all files.
    fn length(&self) -> u64 {
        let old = self.old.iter().map(|(_, length, _)| length).sum::<u64>();
        old + self.current.as_ref().map_or(0, |(file, _)| file.length)
    }

    fn append(&mut self, bytes: &[u8], now: Instant) -> io::Result<()> {
        let (file, _) = match &mut self.current {
            Some(current) => current,
            None => {
                self.n_made += 1;
                let name = match self.keep {
                    Keep::All => format!("spans.{}", self.extension),
                    Keep::Last(_) => format!("spans-{:06}.{}", self.n_made, self.extension),
                };
                let file = SpoolFile::create(self.folder.join(name))?;
                self.current.insert((file, now))
            }
        };
        file.append(bytes)
    }

    /// Begins a new file and removes old ones when it is time for it.
    fn turn(&mut self, now: Instant) {
        let Keep::Last(window) = self.keep else { return };
        let each: Duration = window / SEGMENTS;
        if let Some((file, _)) = self.current.take_if(|(_, begun)| now - *begun >= each) {
            self.old.push_back((file.path.clone(), file.length, now));
        }
        while let Some((path, ..)) = self.old.pop_front_if(|(_, _, ended)| now - *ended > window) {
            // One that somebody else removed is gone all the same.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Begins a new file. The whole files of the last stretch of time.
    fn turned(&mut self, now: Instant) -> Vec<PathBuf> {
        if matches!(self.keep, Keep::Last(_))
            && let Some((file, _)) = self.current.take()
        {
            self.old.push_back((file.path.clone(), file.length, now));
        }
        self.old.iter().map(|(path, ..)| path.clone()).collect()
    }

    /// Makes the last file safe against a loss of power; all files that hold anything.
    fn finish(&mut self) -> Vec<PathBuf> {
        let current = self.current.take().and_then(|(file, _)| file.finish());
        self.old.drain(..).map(|(path, ..)| path).chain(current).collect()
    }
}

/// A file that is only appended to, in whole exports.
struct SpoolFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole exports in it.
    length: u64,
    /// Whether half an export may follow them.
    has_tail: bool,
}

impl SpoolFile {
    /// A new file, readable by its owner only.
    fn create(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Self::named(&path, &error))?;
        Ok(Self { path, file, length: 0, has_tail: false })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes).map_err(|error| Self::named(&self.path, &error))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.has_tail {
            self.file.set_len(self.length)?;
        }
        self.has_tail = true;
        if let Err(error) = self.file.write_all(bytes) {
            // Nothing of it is kept: a reader would stop at half an export.
            self.has_tail = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.has_tail = false;
        Ok(())
    }

    fn named(path: &Path, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    }

    /// Makes it safe against a loss of power; its path when it holds anything.
    fn finish(self) -> Option<PathBuf> {
        // A file system that cannot do it has taken the bytes all the same.
        let _ = self.file.sync_data();
        (self.length > 0).then_some(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(folder: &Path, limit_bytes: u64, exports: &[(Encoding, &'static [u8])]) -> Counted {
        let counted = Arc::new(Counted::default());
        let (spool, writer) =
            Spool::start(folder, Keep::All, limit_bytes, Arc::clone(&counted)).expect("a thread");
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
        let mut file = SpoolFile::create(path.clone()).expect("a file");
        file.append(b"whole").expect("room");
        // A file opened for reading refuses every write.
        let reading = File::open(&path).expect("the file");
        let writable = std::mem::replace(&mut file.file, reading);
        let error = file.append(b"refused").expect_err("refused");
        assert!(error.to_string().contains("spool: "), "{error}");
        file.file = writable;
        file.append(b", whole").expect("room");
        assert_eq!(std::fs::read(&path).expect("the file"), b"whole, whole");
    }

    #[test]
    fn of_the_last_stretch_of_time_old_files_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let window = Duration::from_secs(40);
        let mut segments = Segments::new(folder.path(), "x", Keep::Last(window));
        let start = Instant::now();
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            segments.turn(now);
            segments.append(format!("{second} ").as_bytes(), now).expect("room");
        }
        assert!(segments.old.len() <= SEGMENTS as usize + 1, "{:?}", segments.old);
        let files = segments.finish();
        let kept: String =
            files.iter().map(|file| std::fs::read_to_string(file).expect("a file")).collect();
        let kept: Vec<u64> =
            kept.split_whitespace().map(|n| n.parse().expect("a number")).collect();
        let first = kept[0];
        assert_eq!(kept, (first..100).collect::<Vec<_>>(), "no gap");
        assert!((40..=60).contains(&first), "the window, and at most a segment more: {first}");
        let n_there = std::fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(n_there, files.len());
    }
}

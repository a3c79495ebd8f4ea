//! Content in blocks: plain files as they lie on disk, compressed ones decompressed on the way.
//!
//! Nothing is mapped: a file that shrinks while it is read is then an early end, not a crash, and
//! memory stays at the blocks the caller keeps, whatever the file holds.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Compression;
use super::gzip::GzipReader;
use crate::ImportError;
use crate::regular_file::open_regular;

/// Beyond this many inflated bytes the ratio to the bytes read is watched.
const RATIO_WATCHED_FROM: u64 = 256 << 20;
/// Traces inflate 15 to 100 times: every event has times and ids of its own. Deflate reaches 1032
/// times on nothing but repetition, Zstandard far more.
const RATIO_LIMIT: u64 = 400;

/// How the content ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it was read. `trailing_bytes` lie behind the compressed data.
    Whole { trailing_bytes: u64 },
    /// The compressed data is cut off.
    Truncated,
}

/// Reader of a file's content.
pub(crate) struct Blocks {
    path: PathBuf,
    decoder: Decoder<CountedFile>,
    file_bytes_read: Arc<AtomicU64>,
    inflated_bytes: u64,
    inflated_limit_bytes: u64,
    ending: Option<Ending>,
}

impl Blocks {
    pub(super) fn open(
        path: &Path,
        compression: Compression,
        inflated_limit_bytes: u64,
    ) -> Result<Self, ImportError> {
        let (file, _) = open_regular(path)?;
        let file_bytes_read = Arc::new(AtomicU64::new(0));
        let file = CountedFile { file, bytes_read: Arc::clone(&file_bytes_read) };
        let decoder = decoder_for(file, compression).map_err(|e| ImportError::io(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            decoder,
            file_bytes_read,
            inflated_bytes: 0,
            inflated_limit_bytes,
            ending: None,
        })
    }

    /// How the content ended, once it did.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Bytes of the file, as it lies on disk, that were read.
    pub(crate) fn file_bytes_read(&self) -> u64 {
        self.file_bytes_read.load(Ordering::Relaxed)
    }

    /// Fills `block` from its beginning and returns how much of it was filled: all of it unless
    /// the content ended.
    ///
    /// # Errors
    /// When the file cannot be read, the compressed data is damaged, or it inflates beyond the
    /// limits.
    pub(crate) fn fill(&mut self, block: &mut [u8]) -> Result<usize, ImportError> {
        let mut filled = 0;
        while filled < block.len() && self.ending.is_none() {
            match self.decoder.read(&mut block[filled..]) {
                Ok(0) => {
                    let trailing_bytes = self.decoder.trailing_bytes();
                    self.ending = Some(Ending::Whole { trailing_bytes });
                }
                Ok(n) => {
                    filled += n;
                    self.inflated_bytes += n as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                    self.ending = Some(Ending::Truncated);
                }
                Err(e) => return Err(self.fault(e)),
            }
        }
        self.check_limits()?;
        Ok(filled)
    }

    fn check_limits(&self) -> Result<(), ImportError> {
        if self.decoder.compression() == Compression::None {
            return Ok(());
        }
        let (what, limit) = if self.inflated_bytes > self.inflated_limit_bytes {
            ("the decompressed content", self.inflated_limit_bytes)
        } else if self.inflated_bytes > RATIO_WATCHED_FROM
            && self.inflated_bytes / self.file_bytes_read().max(1) > RATIO_LIMIT
        {
            ("the ratio of decompressed to compressed bytes", RATIO_LIMIT)
        } else {
            return Ok(());
        };
        Err(ImportError::TooLarge {
            path: self.path.clone(),
            offset: self.inflated_bytes,
            what,
            limit,
        })
    }

    fn fault(&self, error: io::Error) -> ImportError {
        if self.decoder.compression() == Compression::None {
            return ImportError::io(&self.path, error);
        }
        ImportError::Malformed {
            path: self.path.clone(),
            offset: self.inflated_bytes,
            expected: format!("{} data", self.decoder.compression().as_str()),
            found: format!("damage ({error})"),
        }
    }
}

pub(super) fn decoder_for<R: Read>(file: R, compression: Compression) -> io::Result<Decoder<R>> {
    Ok(match compression {
        Compression::None => Decoder::Plain(file),
        Compression::Gzip => Decoder::Gzip(Box::new(GzipReader::new(file))),
        Compression::Zstd => Decoder::Zstd(zstd::stream::read::Decoder::new(file)?),
    })
}

pub(super) enum Decoder<R> {
    Plain(R),
    Gzip(Box<GzipReader<R>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<R>>),
}

impl<R: Read> Decoder<R> {
    fn compression(&self) -> Compression {
        match self {
            Self::Plain(_) => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
        }
    }

    fn trailing_bytes(&self) -> u64 {
        match self {
            Self::Gzip(reader) => reader.trailing_bytes(),
            Self::Plain(_) | Self::Zstd(_) => 0,
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buf),
            Self::Gzip(reader) => reader.read(buf),
            Self::Zstd(reader) => reader.read(buf),
        }
    }
}

/// A file that knows how much of it was read.
struct CountedFile {
    file: File,
    bytes_read: Arc<AtomicU64>,
}

impl Read for CountedFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        self.bytes_read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

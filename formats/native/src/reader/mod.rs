//! Reading: the chunks of a file, found by scanning, decoded on demand.

mod dictionaries;
mod fault;
mod options;
mod references;
mod rows;
mod scan;
mod timeline;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use underspan_model::Timeline;

use self::dictionaries::IdMaps;
pub(crate) use self::fault::{Fault, FaultKind};
pub use self::options::ReadOptions;
pub use self::rows::{RowChunk, RowQuery, Rows};
use self::scan::Scan;
use crate::error::{Error, Result};
use crate::layout::{CHUNK_HEADER_LEN, ChunkHeader, ChunkKind};
use crate::mapped_file::FileBytes;

/// An open `.uspan` file.
///
/// Opening reads the chunk headers and nothing else.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: FileBytes,
    options: ReadOptions,
    scan: Scan,
    head: OnceLock<Head>,
}

/// Everything but event rows.
#[derive(Debug)]
struct Head {
    timeline: Timeline,
    maps: IdMaps,
}

/// A chunk and where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkEntry {
    /// Offset of the header.
    pub(crate) offset: u64,
    pub(crate) header: ChunkHeader,
}

/// Reads a whole file with default options.
///
/// Damage does not stop it: every chunk that is whole is read, and what is not is counted in
/// [`Timeline::problems`].
///
/// # Errors
/// When the file cannot be read, is not a `.uspan` file, needs a newer program, or decodes to more
/// than [`ReadOptions::memory_limit`].
pub fn read_timeline(path: &Path) -> Result<Timeline> {
    Reader::open(path, &ReadOptions::default())?.read_timeline()
}

impl Reader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is not a `.uspan` file, or needs a newer program.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let file = FileBytes::open(path, options.access)?;
        let scan = Scan::of(file.bytes(), path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            options: options.clone(),
            scan,
            head: OnceLock::new(),
        })
    }

    /// Everything but event rows, read once.
    fn read_head(&self) -> Result<&Head> {
        if let Some(head) = self.head.get() {
            return Ok(head);
        }
        self.check_memory(|kind| kind != ChunkKind::Rows)?;
        let mut timeline = Timeline::new();
        let mut faults = self.scan.faults.clone();
        let (maps, _) = self.read_dictionaries(&mut timeline, &mut faults)?;
        for fault in &faults {
            fault.record(&mut timeline.problems, &self.source_name());
        }
        Ok(self.head.get_or_init(|| Head { timeline, maps }))
    }

    /// The payload of a chunk, with its checksum compared.
    pub(crate) fn payload(&self, entry: &ChunkEntry) -> Result<&[u8], Fault> {
        let payload = self.payload_unchecked(entry)?;
        let computed = crc32c::crc32c(payload);
        if computed == entry.header.payload_crc {
            return Ok(payload);
        }
        let expected = format!("{:08x}", entry.header.payload_crc);
        Err(Fault::corrupt(entry, "checksum of a chunk", expected, format!("{computed:08x}")))
    }

    fn payload_unchecked(&self, entry: &ChunkEntry) -> Result<&[u8], Fault> {
        if !self.file.is_intact() {
            return Err(Fault::corrupt(entry, "file", "its length when opened", "a shorter one"));
        }
        let start = entry.offset as usize + CHUNK_HEADER_LEN;
        let end = start + entry.header.payload_len as usize;
        let payload = self.file.bytes().get(start..end);
        payload.ok_or_else(|| Fault::corrupt(entry, "chunk", "all of it", "the end of the file"))
    }

    /// The file's name without its folder, as problems name it.
    pub(crate) fn source_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(crate) fn set_up_error(&self) -> impl FnOnce(std::io::Error) -> Error + '_ {
        Error::io(&self.path, "set up decompression")
    }
}

//! Reading: the chunks of a file, found by scanning, decoded on demand.

mod chunkwise;
mod dictionaries;
mod end;
mod fault;
mod moment;
mod options;
mod references;
mod rows;
mod scan;
mod segments;
mod timeline;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use underspan_model::Timeline;
use underspan_model::tables::TableKind;

use self::dictionaries::IdMaps;
pub(crate) use self::fault::{Fault, FaultKind};
pub use self::options::ReadOptions;
pub(crate) use self::rows::set_len;
pub use self::rows::{RowChunk, RowQuery, Rows};
use self::scan::Scan;
pub use self::segments::read_segments;
pub(crate) use self::timeline::column_targets;
use crate::error::{Error, Result};
use crate::layout::{CHUNK_HEADER_LEN, ChunkHeader, ChunkKind, FileHeader};
use crate::mapped_file::FileBytes;
use crate::pack::unpack;

/// An open `.uspan` file.
///
/// Opening reads the chunk headers and nothing else, unless the file is packed.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: FileBytes,
    /// Length of the file, which may be packed.
    len_bytes: u64,
    /// In a packed file: the bytes each chunk takes in it, by offset of the unpacked chunk.
    stored: Option<BTreeMap<u64, u64>>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        let mut file = FileBytes::open(path, options.access)?;
        let len_bytes = file.bytes().len() as u64;
        let mut stored = None;
        if FileHeader::parse(file.bytes(), path)?.may_have_packs() {
            let unpacked = unpack(file.bytes());
            file.replace(unpacked.bytes);
            stored = Some(unpacked.stored);
        }
        let scan = Scan::of(file.bytes(), path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            len_bytes,
            stored,
            options: options.clone(),
            scan,
            head: OnceLock::new(),
        })
    }

    /// Every chunk that is there, in file order.
    pub(crate) fn chunks(&self) -> &[ChunkEntry] {
        &self.scan.chunks
    }

    /// What is wrong between the chunks.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.scan.faults
    }

    /// Whether the rows of a table are in order of start in the file, so that a row's position in
    /// the file is that in the timeline; `None` when there is no index to ask.
    pub fn is_sorted(&self, table: TableKind) -> Option<bool> {
        let tables = self.scan.tables.as_ref()?;
        Some(tables.get(&table.code()).is_none_or(|table| table.is_sorted))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing is known to be missing, so that ids and rows are those of the file.
    pub(crate) fn is_as_written(&self) -> Result<bool> {
        let head = self.read_head()?;
        Ok(self.scan.faults.is_empty()
            && head.maps.strings.is_identity()
            && head.maps.shapes.is_identity())
    }

    /// Version of the format the file was written in.
    pub fn version(&self) -> u16 {
        self.scan.version
    }

    /// Length of the file.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Bytes that a chunk takes in the file, its header included.
    pub(crate) fn stored_len(&self, entry: &ChunkEntry) -> u64 {
        let stored = self.stored.as_ref().and_then(|stored| stored.get(&entry.offset).copied());
        stored.unwrap_or(CHUNK_HEADER_LEN as u64 + u64::from(entry.header.payload_len))
    }

    /// Whether the file is one that packs its chunks.
    pub fn is_packed(&self) -> bool {
        self.stored.is_some()
    }

    /// Whether the writer finished.
    pub fn is_finished(&self) -> bool {
        self.scan.is_finished
    }

    /// Whether there is an index that fits the chunks.
    pub fn has_index(&self) -> bool {
        self.scan.tables.is_some()
    }

    pub(crate) fn check_head_memory(&self) -> Result<()> {
        self.check_memory(|entry| entry.header.kind != ChunkKind::Rows)
    }

    /// Everything but event rows, read once.
    fn read_head(&self) -> Result<&Head> {
        if let Some(head) = self.head.get() {
            return Ok(head);
        }
        self.check_head_memory()?;
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

    pub(crate) fn payload_unchecked(&self, entry: &ChunkEntry) -> Result<&[u8], Fault> {
        if !self.file.is_intact() {
            return Err(Fault::corrupt(entry, "file", "its length when opened", "a shorter one"));
        }
        let chunk = self.file.bytes().get(entry.offset as usize..).unwrap_or_default();
        let payload =
            chunk.get(CHUNK_HEADER_LEN..CHUNK_HEADER_LEN + entry.header.payload_len as usize);
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

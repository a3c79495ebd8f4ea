//! Writing: append-only, one `write` per chunk, nothing ever changed after it was written.

mod changed_rows;
mod encoded;
#[cfg(feature = "reader")]
mod finishing;
mod options;
#[cfg(feature = "reader")]
mod whole;

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use underspan_model::tables::{Table, TableKind};
use underspan_model::{
    CaptureInfo, Dimensions, ProblemLedger, ShapeTable, StringId, StringTable, Timeline,
};

use self::changed_rows::WrittenRows;
pub(crate) use self::encoded::{EncodedChunk, StartOrder};
pub use self::options::{WriteOptions, WriteSummary};
#[cfg(feature = "reader")]
pub use self::whole::write_timeline;
use crate::chunk::{
    EndChunk, SHAPE_COLUMNS, ShapeColumns, TableEncoder, write_info, write_problems, write_strings,
};
use crate::codec::Packer;
use crate::error::{Error, Result};
use crate::layout::{ChunkHeader, ChunkKind, FILE_HEADER_LEN, FileHeader, limits};

/// Text in one chunk of strings, unless a single string is longer.
const STRINGS_CHUNK_LEN: usize = 1 << 20;
/// Dictionaries are small and written once, so they may take more effort than rows.
const DICTIONARY_ZSTD_LEVEL: i32 = 9;

/// Appends chunks to a file (or any other sink).
///
/// Rows refer to strings, shapes and dimension entries by index, so those are written first:
/// [`Writer::write_dictionaries`] writes whatever was added or changed since it was called last.
/// Dropping a writer without [`Writer::finish`] leaves a file that reads up to its last chunk.
#[derive(Debug)]
pub struct Writer<W: Write> {
    sink: W,
    path: PathBuf,
    options: WriteOptions,
    encoder: TableEncoder,
    dictionary_packer: Packer,
    chunk: EncodedChunk,
    n_strings: usize,
    n_shapes: usize,
    dimensions: WrittenRows,
    end: EndChunk,
    offset: u64,
    next_sequence: u32,
    chunks: Vec<(u64, ChunkHeader)>,
    #[cfg(feature = "reader")]
    finishing: finishing::Finishing,
}

impl Writer<File> {
    /// Creates (or empties) the file at `path` and writes the file header.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path, options: &WriteOptions) -> Result<Self> {
        let file = File::create(path).map_err(Error::io(path, "create"))?;
        Self::with_name(file, path, options)
    }

    /// Waits until everything written so far is on the disk: then it outlives a loss of power,
    /// not just the end of the process.
    ///
    /// # Errors
    /// When the system cannot write it.
    pub fn sync(&mut self) -> Result<()> {
        self.sink.sync_data().map_err(Error::io(&self.path, "sync"))
    }
}

impl<W: Write> Writer<W> {
    /// Starts a file in `sink`, which must be at its beginning.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(sink: W, options: &WriteOptions) -> Result<Self> {
        Self::with_name(sink, Path::new("(stream)"), options)
    }

    pub(crate) fn with_name(mut sink: W, path: &Path, options: &WriteOptions) -> Result<Self> {
        let set_up = || Error::io(path, "set up compression");
        let encoder = TableEncoder::new(options.zstd_level, options.predictors).map_err(set_up())?;
        let dictionary_packer = Packer::new(DICTIONARY_ZSTD_LEVEL).map_err(set_up())?;
        sink.write_all(&FileHeader::PLAIN.to_bytes()).map_err(Error::io(path, "write"))?;
        Ok(Self {
            sink,
            path: path.to_owned(),
            options: *options,
            encoder,
            dictionary_packer,
            chunk: EncodedChunk::default(),
            n_strings: 0,
            n_shapes: 0,
            dimensions: WrittenRows::default(),
            end: EndChunk::default(),
            offset: FILE_HEADER_LEN as u64,
            next_sequence: 0,
            chunks: Vec::new(),
            #[cfg(feature = "reader")]
            finishing: finishing::Finishing::default(),
        })
    }

    /// Bytes written so far.
    pub fn len_bytes(&self) -> u64 {
        self.offset
    }

    /// Writes what the capture as a whole is. Of several calls the last counts.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write_info(&mut self, info: &CaptureInfo) -> Result<()> {
        self.chunk.start(ChunkKind::Info, 0);
        write_info(info, &mut self.chunk.bytes);
        self.append_current()
    }

    /// Writes all strings, shapes and dimension entries that were added or changed since the last
    /// call. The tables must be the ones of the last call, grown.
    ///
    /// # Errors
    /// When the sink cannot be written, or a string is longer than 64 MiB.
    pub fn write_dictionaries(
        &mut self,
        strings: &StringTable,
        shapes: &ShapeTable,
        dimensions: &Dimensions,
    ) -> Result<()> {
        self.write_strings(strings)?;
        self.write_shapes(shapes)?;
        for table in dimensions.tables() {
            self.write_dimension(table)?;
        }
        Ok(())
    }

    /// Writes the rows `rows` of an event table, in chunks of at most
    /// [`WriteOptions::rows_per_chunk`].
    ///
    /// # Errors
    /// When the sink cannot be written, or `rows` is not within the table.
    pub fn write_rows(&mut self, table: &dyn Table, rows: Range<usize>) -> Result<()> {
        if rows.start > rows.end || rows.end > table.len() {
            return Err(Error::Unstorable {
                path: self.path.clone(),
                what: "rows of a table",
                expected: format!("a range within 0..{}", table.len()),
                found: format!("{rows:?}"),
            });
        }
        for part in parts(rows, self.options.chunk_rows()) {
            #[cfg(feature = "reader")]
            if self.options.level_of_detail {
                self.finishing.add_leaves(table, part.clone());
            }
            let mut chunk = std::mem::take(&mut self.chunk);
            chunk.encode_rows(&mut self.encoder, table, part);
            let appended = self.append_rows(&mut chunk);
            self.chunk = chunk;
            appended?;
        }
        Ok(())
    }

    /// Writes the problem ledger as it stands. Of several calls the last counts.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write_problems(&mut self, problems: &ProblemLedger) -> Result<()> {
        self.chunk.start(ChunkKind::Problems, 0);
        self.chunk.header.rows = write_problems(problems, &mut self.chunk.bytes);
        self.append_current()
    }

    /// Passes everything on to the operating system.
    ///
    /// # Errors
    /// When the sink cannot be flushed.
    pub fn flush(&mut self) -> Result<()> {
        self.sink.flush().map_err(Error::io(&self.path, "flush"))
    }

    /// Writes the closing chunk, and the index where this build has one.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn finish(mut self) -> Result<WriteSummary> {
        self.chunk.start(ChunkKind::End, 0);
        self.chunk.header.rows = self.end.rows.len() as u32;
        self.end.write(&mut self.chunk.bytes);
        self.append_current()?;
        #[cfg(feature = "reader")]
        {
            self.write_leaves()?;
            self.write_index()?;
        }
        self.flush()?;
        Ok(WriteSummary { bytes: self.offset, chunks: self.chunks.len() as u64 })
    }

    /// Writes an encoded chunk of rows behind those of its table.
    pub(crate) fn append_rows(&mut self, chunk: &mut EncodedChunk) -> Result<()> {
        let table = chunk.header.table;
        chunk.header.first_row = self.end.rows.get(&table).copied().unwrap_or_default();
        self.append(chunk)?;
        // Only now: rows of a chunk that could not be written are not in the file.
        *self.end.rows.entry(table).or_default() += u64::from(chunk.header.rows);
        #[cfg(feature = "reader")]
        self.finishing.note(&chunk.header, chunk.order);
        Ok(())
    }

    fn write_strings(&mut self, strings: &StringTable) -> Result<()> {
        let mut batch: Vec<&str> = Vec::new();
        let mut batch_len = 0;
        for index in self.n_strings..strings.len() {
            let text = strings.resolve_or_empty(StringId::from_index(index));
            if text.len() > limits::MAX_STRING_LEN {
                return Err(Error::Unstorable {
                    path: self.path.clone(),
                    what: "a string",
                    expected: format!("at most {} bytes", limits::MAX_STRING_LEN),
                    found: format!("{} bytes", text.len()),
                });
            }
            if batch_len + text.len() > STRINGS_CHUNK_LEN && !batch.is_empty()
                || batch.len() >= self.options.chunk_rows()
            {
                self.append_strings(&batch)?;
                batch.clear();
                batch_len = 0;
            }
            batch.push(text);
            batch_len += text.len();
        }
        if batch.is_empty() { Ok(()) } else { self.append_strings(&batch) }
    }

    fn append_strings(&mut self, batch: &[&str]) -> Result<()> {
        self.chunk.start(ChunkKind::Strings, 0);
        self.chunk.header.first_row = self.n_strings as u64;
        self.chunk.header.rows = batch.len() as u32;
        self.chunk.header.decoded_len =
            write_strings(batch, &mut self.dictionary_packer, &mut self.chunk.bytes);
        self.append_current()?;
        self.n_strings += batch.len();
        Ok(())
    }

    fn write_shapes(&mut self, shapes: &ShapeTable) -> Result<()> {
        let new = shapes.as_slice().get(self.n_shapes..).unwrap_or_default();
        for batch in new.chunks(self.options.chunk_rows()) {
            self.chunk.start(ChunkKind::Shapes, 0);
            self.chunk.header.first_row = self.n_shapes as u64;
            self.chunk.header.rows = batch.len() as u32;
            self.chunk.header.decoded_len = (batch.len() * SHAPE_COLUMNS.len() * 4) as u32;
            let columns = ShapeColumns::of(batch);
            self.encoder.encode(None, SHAPE_COLUMNS, &columns.refs(), &mut self.chunk.bytes);
            self.append_current()?;
            self.n_shapes += batch.len();
        }
        Ok(())
    }

    fn write_dimension(&mut self, table: &dyn Table) -> Result<()> {
        let Some(changed) = self.dimensions.changed(table) else { return Ok(()) };
        for part in parts(changed.clone(), self.options.chunk_rows()) {
            let first_row = part.start as u64;
            let mut chunk = std::mem::take(&mut self.chunk);
            chunk.encode_rows(&mut self.encoder, table, part);
            chunk.header.kind = ChunkKind::Dimension;
            chunk.header.first_row = first_row;
            let appended = self.append(&mut chunk);
            self.chunk = chunk;
            appended?;
        }
        self.dimensions.remember(table, changed);
        self.end.rows.insert(table.kind().code(), table.len() as u64);
        Ok(())
    }

    fn append_current(&mut self) -> Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        let appended = self.append(&mut chunk);
        self.chunk = chunk;
        appended
    }

    fn append(&mut self, chunk: &mut EncodedChunk) -> Result<()> {
        chunk.header.sequence = self.next_sequence;
        // Used up even when writing fails, so that what is left of this chunk in the file is told
        // from the next.
        self.next_sequence =
            self.next_sequence.checked_add(1).ok_or_else(|| Error::Unstorable {
                path: self.path.clone(),
                what: "a chunk",
                expected: format!("at most {} chunks", u32::MAX),
                found: "one more".to_owned(),
            })?;
        let bytes = chunk.seal().map_err(|found| Error::Unstorable {
            path: self.path.clone(),
            what: "a chunk",
            expected: format!("at most {} bytes", limits::MAX_PAYLOAD_LEN),
            found: format!("{found} bytes"),
        })?;
        self.sink.write_all(bytes).map_err(Error::io(&self.path, "write"))?;
        let len = bytes.len() as u64;
        self.chunks.push((self.offset, chunk.header));
        self.offset += len;
        Ok(())
    }

    pub(crate) fn write_head(&mut self, timeline: &Timeline) -> Result<()> {
        self.write_info(&timeline.info)?;
        self.write_dictionaries(&timeline.strings, &timeline.shapes, &timeline.dimensions)
    }
}

/// `rows` cut into parts of at most `len`.
fn parts(rows: Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(len).map(move |start| start..(start + len).min(end))
}

/// Whether rows of this table go in [`ChunkKind::Dimension`] chunks.
pub(crate) const fn is_dimension(kind: TableKind) -> bool {
    kind.code() >= TableKind::Source.code()
}

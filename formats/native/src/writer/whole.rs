//! Writing a timeline that is in memory: chunks are encoded side by side and appended in order,
//! so that the file is the same at any number of threads.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use underspan_model::Timeline;
use underspan_model::tables::Table;

use super::{EncodedChunk, WriteOptions, WriteSummary, Writer, is_dimension, parts};
use crate::chunk::TableEncoder;
use crate::error::{Error, Result};
use crate::layout::limits;
use crate::pack;

/// Chunks encoded before they are written: bounds the memory, and keeps all threads busy.
const BATCH: usize = 32;

/// Writes a timeline to the file at `path`, replacing it only when all is written.
///
/// # Errors
/// When the file cannot be written, or a string is longer than 64 MiB.
pub fn write_timeline(
    path: &Path,
    timeline: &Timeline,
    options: &WriteOptions,
) -> Result<WriteSummary> {
    // Devices and pipes are written in place: nothing can be renamed over them.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let file = File::options().write(true).open(path).map_err(Error::io(path, "open"))?;
        return write_to(file, path, timeline, options);
    }
    // Behind a link, it is the file that is replaced and not the link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let partial = partial_path(&target);
    let file = File::create(&partial).map_err(Error::io(path, "create"))?;
    let written = write_to(file, path, timeline, options).and_then(|summary| {
        std::fs::rename(&partial, &target).map_err(Error::io(path, "replace"))?;
        Ok(summary)
    });
    if written.is_err() {
        // The first error is the one to tell; what cannot be removed is left.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// A name beside `path` that no other process writes to.
fn partial_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.partial", std::process::id()))
}

/// A file with fewer bytes than this for each value or byte of text is too slow to unpack for
/// what it would gain.
const MAX_SYMBOLS_PER_BYTE: u64 = 4;

fn write_to(
    mut file: File,
    path: &Path,
    timeline: &Timeline,
    options: &WriteOptions,
) -> Result<WriteSummary> {
    if let Some((bytes, chunks)) = packed(path, timeline, options)? {
        file.write_all(&bytes).map_err(Error::io(path, "write"))?;
        return Ok(WriteSummary { bytes: bytes.len() as u64, chunks });
    }
    write_plain(file, path, timeline, options)
}

/// The packed file and how many chunks are in it, when the timeline is one to be packed.
fn packed(
    path: &Path,
    timeline: &Timeline,
    options: &WriteOptions,
) -> Result<Option<(Vec<u8>, u64)>> {
    let max_symbols = options.pack_up_to_bytes.saturating_mul(MAX_SYMBOLS_PER_BYTE);
    let n_symbols = pack::n_symbols(timeline);
    if n_symbols as u64 > max_symbols || n_symbols > limits::MAX_UNPACKED_SYMBOLS / 2 {
        return Ok(None);
    }
    let mut plain = Vec::new();
    let options = WriteOptions { level_of_detail: false, ..*options };
    write_plain(&mut plain, path, timeline, &options)?;
    if plain.len() as u64 > options.pack_up_to_bytes {
        return Ok(None);
    }
    pack::pack(&plain).map(Some).map_err(Error::io(path, "set up compression"))
}

fn write_plain<W: Write>(
    sink: W,
    path: &Path,
    timeline: &Timeline,
    options: &WriteOptions,
) -> Result<WriteSummary> {
    let mut writer = Writer::with_name(sink, path, options)?;
    writer.write_head(timeline)?;
    let tables = timeline.tables();
    let jobs: Vec<_> = tables
        .iter()
        .filter(|table| !is_dimension(table.kind()))
        .flat_map(|table| {
            parts(0..table.len(), options.chunk_rows()).map(move |rows| (*table, rows))
        })
        .collect();
    for batch in jobs.chunks(BATCH) {
        let (encoded, ()) = rayon::join(
            || encode(batch, options),
            || {
                let jobs = batch.iter().filter(|_| options.level_of_detail);
                jobs.for_each(|(table, rows)| writer.finishing.add_leaves(*table, rows.clone()));
            },
        );
        for chunk in encoded {
            let mut chunk = chunk.map_err(Error::io(path, "set up compression"))?;
            writer.append_rows(&mut chunk)?;
        }
    }
    if !timeline.problems.is_empty() {
        writer.write_problems(&timeline.problems)?;
    }
    writer.finish()
}

fn encode(
    batch: &[(&dyn Table, Range<usize>)],
    options: &WriteOptions,
) -> Vec<io::Result<EncodedChunk>> {
    batch
        .par_iter()
        .map_init(
            || TableEncoder::new(options.zstd_level, options.predictors),
            |encoder, (table, rows)| {
                let mut chunk = EncodedChunk::default();
                match encoder {
                    Ok(encoder) => chunk.encode_rows(encoder, *table, rows.clone()),
                    Err(error) => return Err(io::Error::new(error.kind(), error.to_string())),
                }
                Ok(chunk)
            },
        )
        .collect()
}

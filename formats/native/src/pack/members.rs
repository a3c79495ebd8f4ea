//! Chunks in a stream: what a pack's payload says.

use underspan_model::tables::TableKind;
use underspan_model::{ColumnSpec, ColumnType, Timeline};

use super::coder::{Decoder, Encoder};
use super::mixing::Counters;
use super::session::Session;
use super::table::{Roles, WideColumn, width_of};
use crate::chunk::{
    ColumnSlice, EndChunk, ProblemEntry, SHAPE_COLUMNS, StringsReader, TableDecoder, TargetColumn,
    problem_entries, read_heads, text_map, type_code, write_strings_raw,
};
use crate::codec::Encoding;
use crate::layout::{CHUNK_HEADER_LEN, ChunkHeader, ChunkKind, NO_TIMES, limits, put_varint};
use crate::track::{DURATION_COLUMN, START_COLUMN, track_columns};

/// Tags of the numbers that describe a chunk.
mod tag {
    pub(super) const KIND: u32 = 1;
    pub(super) const TABLE: u32 = 2;
    pub(super) const ROWS: u32 = 3;
    pub(super) const FIRST_ROW: u32 = 4;
    pub(super) const EARLIEST: u32 = 5;
    pub(super) const LENGTH: u32 = 6;
    pub(super) const DECODED_LEN: u32 = 7;
    pub(super) const BYTES: u32 = 8;
    pub(super) const END_TABLE: u32 = 9;
    pub(super) const END_ROWS: u32 = 10;
    pub(super) const ENTRIES: u32 = 11;
    pub(super) const PROBLEM: u32 = 12;
    pub(super) const PROBLEM_COUNT: u32 = 13;
}

/// A chunk of an ordinary file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) header: ChunkHeader,
    pub(super) payload: &'a [u8],
}

/// Buffers for taking chunks apart.
#[derive(Debug)]
pub(super) struct Unmaking {
    decoder: TableDecoder,
    strings: StringsReader,
    example: Timeline,
    scratch: Counters,
}

impl Unmaking {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            decoder: TableDecoder::new()?,
            strings: StringsReader::new()?,
            example: Timeline::new(),
            scratch: Counters::few(),
        })
    }

    /// The columns of a chunk of rows, entries or shapes; `None` when it is of another kind or has
    /// columns that this program does not know.
    fn columns(&mut self, member: &Member<'_>) -> Option<Vec<WideColumn>> {
        let rows = member.header.rows as usize;
        let specs: &[ColumnSpec] = match member.header.kind {
            ChunkKind::Shapes => SHAPE_COLUMNS,
            ChunkKind::Rows | ChunkKind::Dimension => {
                self.example.table(TableKind::from_code(member.header.table)?).specs()
            }
            _ => return None,
        };
        let heads = read_heads(member.payload).ok()?;
        if !heads.iter().map(|head| head.name).eq(specs.iter().map(|spec| spec.name)) {
            return None;
        }
        specs.iter().map(|spec| self.column(member.payload, rows, specs, spec)).collect()
    }

    fn column(
        &mut self,
        payload: &[u8],
        rows: usize,
        specs: &[ColumnSpec],
        spec: &ColumnSpec,
    ) -> Option<WideColumn> {
        let (mut bytes, mut narrow, mut wide) = (Vec::new(), Vec::new(), Vec::new());
        let (mut signed, mut real) = (Vec::new(), Vec::new());
        let values = match spec.ty {
            ColumnType::U8 => ColumnSlice::U8(sized(&mut bytes, rows)),
            ColumnType::U32 => ColumnSlice::U32(sized(&mut narrow, rows)),
            ColumnType::U64 => ColumnSlice::U64(sized(&mut wide, rows)),
            ColumnType::I64 => ColumnSlice::I64(sized(&mut signed, rows)),
            ColumnType::F64 => ColumnSlice::F64(sized(&mut real, rows)),
        };
        let mut targets = [TargetColumn { spec, values }];
        self.decoder.decode(payload, rows, specs, &mut targets).ok()?;
        let values = match spec.ty {
            ColumnType::U8 => bytes.into_iter().map(u64::from).collect(),
            ColumnType::U32 => narrow.into_iter().map(u64::from).collect(),
            ColumnType::U64 => wide,
            ColumnType::I64 => signed.into_iter().map(|value| value as u64).collect(),
            ColumnType::F64 => real.into_iter().map(f64::to_bits).collect(),
        };
        Some(WideColumn { name: spec.name.to_owned(), ty: type_code(spec.ty), values })
    }
}

fn sized<T: Clone + Default>(values: &mut Vec<T>, rows: usize) -> &mut [T] {
    values.resize(rows, T::default());
    values
}

/// How many bytes a chunk unpacks to, its header included, and the buffers a reader needs for it.
fn unpacked_len(rows: usize, columns: &[WideColumn]) -> usize {
    columns.iter().filter_map(|column| width_of(column.ty)).sum::<usize>() * rows
}

impl Session<Encoder> {
    /// Writes a chunk.
    pub(super) fn put_member(&mut self, member: &Member<'_>, unmaking: &mut Unmaking) {
        let header = &member.header;
        self.field(tag::KIND, u64::from(header.kind.code()) + 1);
        self.field(tag::TABLE, header.table.into());
        self.field(tag::ROWS, header.rows.into());
        self.field(tag::FIRST_ROW, header.first_row);
        if let Some(columns) = unmaking.columns(member) {
            // Told from columns that are spelled out by their bytes.
            self.field(tag::BYTES, 0);
            let times = match header.times {
                NO_TIMES => 0,
                times if times == time_bounds(&columns) => 1,
                _ => 2,
            };
            self.field(tag::EARLIEST, times);
            if times == 2 {
                self.field(tag::LENGTH, header.times.0 as u64);
                self.field(tag::LENGTH, header.times.1 as u64);
            }
            self.put_table(&columns, roles(header, &columns), &mut unmaking.scratch);
            return;
        }
        let mut texts = Vec::new();
        if header.kind == ChunkKind::Strings
            && unmaking
                .strings
                .read(member.payload, header.rows, header.decoded_len, |text| {
                    texts.push(text.to_owned());
                })
                .is_ok()
        {
            self.field(tag::BYTES, 0);
            self.spend(texts.len());
            for text in texts {
                self.put_text(text.as_bytes());
            }
            return;
        }
        if header.kind == ChunkKind::Info
            && let Ok(entries) = text_map::read(member.payload)
        {
            self.field(tag::BYTES, 0);
            self.field(tag::ENTRIES, entries.len() as u64);
            self.spend(entries.len());
            for (key, value) in entries {
                self.put_text(key.as_bytes());
                self.put_text(value.as_bytes());
            }
            return;
        }
        if header.kind == ChunkKind::Problems
            && let Ok(entries) = problem_entries(member.payload, header.rows)
        {
            self.field(tag::BYTES, 0);
            self.spend(entries.len());
            for entry in entries {
                self.field(tag::PROBLEM, entry.code.into());
                self.field(tag::PROBLEM_COUNT, entry.count);
                self.put_text(entry.source.as_bytes());
                self.put_text(entry.example.as_bytes());
            }
            return;
        }
        if header.kind == ChunkKind::End
            && let Ok(end) = EndChunk::read(member.payload, header.rows)
            && end.rows.len() == header.rows as usize
        {
            self.field(tag::BYTES, 0);
            self.spend(end.rows.len());
            for (table, rows) in end.rows {
                self.field(tag::END_TABLE, table.into());
                self.field(tag::END_ROWS, rows);
            }
            return;
        }
        self.field(tag::BYTES, 1);
        self.field(tag::LENGTH, header.times.0 as u64);
        self.field(tag::LENGTH, header.times.1 as u64);
        self.field(tag::DECODED_LEN, header.decoded_len.into());
        self.put_text(member.payload);
    }

    /// Says that no chunk follows.
    pub(super) fn put_end(&mut self) {
        self.field(tag::KIND, 0);
    }
}

impl Session<Decoder<'_>> {
    /// Appends the next chunk to `out`, as an ordinary one with the sequence number `sequence`.
    /// Says whether there was one; `None` when the stream is not as a writer writes it.
    pub(super) fn take_member(&mut self, sequence: u32, out: &mut Vec<u8>) -> Option<bool> {
        let Some(kind) = self.field(tag::KIND, 0).checked_sub(1) else { return Some(false) };
        let mut header = ChunkHeader {
            kind: ChunkKind::from_code(u8::try_from(kind).ok()?),
            layout: ChunkHeader::LAYOUT,
            table: u16::try_from(self.field(tag::TABLE, 0)).ok()?,
            rows: u32::try_from(self.field(tag::ROWS, 0)).ok()?,
            payload_len: 0,
            sequence,
            payload_crc: 0,
            first_row: self.field(tag::FIRST_ROW, 0),
            times: NO_TIMES,
            decoded_len: 0,
        };
        if header.rows > limits::MAX_CHUNK_ROWS {
            return None;
        }
        let rows = header.rows as usize;
        let at = out.len();
        out.resize(at + CHUNK_HEADER_LEN, 0);
        let is_bytes = self.field(tag::BYTES, 0) != 0;
        match header.kind {
            _ if is_bytes => {
                header.times =
                    (self.field(tag::LENGTH, 0) as i64, self.field(tag::LENGTH, 0) as i64);
                header.decoded_len = u32::try_from(self.field(tag::DECODED_LEN, 0)).ok()?;
                out.extend_from_slice(&self.take_text()?);
            }
            ChunkKind::Strings => {
                let mut texts = Vec::new();
                for _ in 0..rows {
                    self.spend(1)?;
                    texts.push(self.take_string()?);
                }
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                header.decoded_len = write_strings_raw(&texts, out);
            }
            ChunkKind::Info => {
                let mut texts = Vec::new();
                let n_entries = u16::try_from(self.field(tag::ENTRIES, 0)).ok()?;
                for _ in 0..n_entries {
                    self.spend(1)?;
                    texts.push((self.take_string()?, self.take_string()?));
                }
                let entries: Vec<(&str, &str)> =
                    texts.iter().map(|(key, value)| (&key[..], &value[..])).collect();
                text_map::write(&entries, out);
            }
            ChunkKind::Problems => {
                for _ in 0..rows {
                    self.spend(1)?;
                    let code = u16::try_from(self.field(tag::PROBLEM, 0)).ok()?;
                    let count = self.field(tag::PROBLEM_COUNT, 0);
                    let (source, example) = (self.take_string()?, self.take_string()?);
                    let entry = ProblemEntry { code, count, source: &source, example: &example };
                    entry.write(out);
                }
            }
            ChunkKind::End => {
                self.spend(rows)?;
                let mut end = EndChunk::default();
                for _ in 0..rows {
                    let table = u16::try_from(self.field(tag::END_TABLE, 0)).ok()?;
                    end.rows.insert(table, self.field(tag::END_ROWS, 0));
                }
                end.write(out);
            }
            ChunkKind::Rows | ChunkKind::Dimension | ChunkKind::Shapes => {
                let times = self.field(tag::EARLIEST, 0);
                let listed = (times == 2).then(|| {
                    (self.field(tag::LENGTH, 0) as i64, self.field(tag::LENGTH, 0) as i64)
                });
                let columns = self.take_table(rows)?;
                header.times = listed.unwrap_or_else(|| match times {
                    0 => NO_TIMES,
                    _ => time_bounds(&columns),
                });
                header.decoded_len = u32::try_from(unpacked_len(rows, &columns)).ok()?;
                write_columns(&columns, out);
            }
            _ => return None,
        }
        let payload = out.get(at + CHUNK_HEADER_LEN..)?;
        header.payload_len = u32::try_from(payload.len()).ok()?;
        header.payload_crc = crc32c::crc32c(payload);
        out.get_mut(at..at + CHUNK_HEADER_LEN)?.copy_from_slice(&header.to_bytes());
        header.check_bounds().ok()?;
        Some(true)
    }
}

/// Earliest start and latest end, as a writer puts them in a header.
fn time_bounds(columns: &[WideColumn]) -> (i64, i64) {
    let find = |name: &str, ty: u8| {
        columns.iter().find(|column| column.name == name && column.ty == ty).map(|c| &c.values)
    };
    let Some(starts) = find(START_COLUMN, 4).or_else(|| find("time_ns", 4)) else {
        return NO_TIMES;
    };
    let starts = starts.iter().map(|start| *start as i64);
    let latest = match find(DURATION_COLUMN, 3) {
        Some(durations) => {
            let rows = starts.clone().zip(durations);
            rows.map(|(start, duration)| start.saturating_add_unsigned(*duration)).max()
        }
        None => starts.clone().max(),
    };
    starts.min().zip(latest).unwrap_or(NO_TIMES)
}

/// What the columns of a chunk are to its rows.
fn roles(header: &ChunkHeader, columns: &[WideColumn]) -> Roles {
    let find = |name: &str| columns.iter().position(|column| column.name == name);
    let kind = TableKind::from_code(header.table).filter(|_| header.kind == ChunkKind::Rows);
    let Some(track) = kind.and_then(track_columns) else {
        return Roles { name: kind.and_then(|_| find("track")), ..Roles::default() };
    };
    let (key, name) = (find(track.key), find(track.name));
    let times = find(START_COLUMN).zip(find(DURATION_COLUMN));
    Roles { key, name, times: times.filter(|_| key.is_some() && name.is_some()) }
}

/// Appends the payload of a chunk with these columns, constant or raw.
fn write_columns(columns: &[WideColumn], out: &mut Vec<u8>) {
    let mut bodies = Vec::new();
    out.extend_from_slice(&(columns.len() as u16).to_le_bytes());
    for column in columns {
        let first = column.values.first().copied().unwrap_or_default();
        let is_constant = column.values.iter().all(|value| *value == first);
        let encoding = if is_constant { Encoding::Constant } else { Encoding::Raw };
        let before = bodies.len();
        if let Some(width) = width_of(column.ty).filter(|_| !is_constant) {
            for value in &column.values {
                bodies.extend_from_slice(&value.to_le_bytes()[..width]);
            }
        }
        out.push(column.name.len() as u8);
        out.extend_from_slice(column.name.as_bytes());
        out.push(column.ty);
        out.push(encoding.code());
        put_varint(if is_constant { first } else { 0 }, out);
        put_varint(1, out);
        put_varint((bodies.len() - before) as u64, out);
    }
    out.extend_from_slice(&bodies);
}

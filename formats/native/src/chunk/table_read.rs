//! The payload of a chunk to columns. The layout is described in [`super::table_write`].

use std::io;

use underspan_model::{ColumnSpec, ColumnType};

use super::table_write::type_code;
use crate::codec::{
    Bits, Encoding, LastByKey, PlaneSet, Sign, Unpacker, Word, undo_delta, undo_plain,
};
use crate::error::LayoutError;
use crate::layout::{Cursor, limits};

/// What a chunk says about one of its columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnHead<'a> {
    pub(crate) name: &'a str,
    pub(crate) ty: ColumnType,
    pub(crate) encoding: Encoding,
    key: Option<u8>,
    length: Option<u8>,
    base: u64,
    unit: u64,
    pub(crate) body: &'a [u8],
    body_offset: usize,
}

/// Values to fill, as many as the chunk has rows.
#[derive(Debug)]
pub(crate) enum ColumnSlice<'a> {
    U8(&'a mut [u8]),
    U32(&'a mut [u32]),
    U64(&'a mut [u64]),
    I64(&'a mut [i64]),
    F64(&'a mut [f64]),
}

/// A column the caller wants and where it goes.
#[derive(Debug)]
pub(crate) struct TargetColumn<'a> {
    pub(crate) spec: &'a ColumnSpec,
    pub(crate) values: ColumnSlice<'a>,
}

/// Reads the heads at the front of a payload. Every body lies within it.
pub(crate) fn read_heads(payload: &[u8]) -> Result<Vec<ColumnHead<'_>>, LayoutError> {
    let mut cursor = Cursor::new(payload);
    let n_columns = usize::from(cursor.u16("number of columns")?);
    if n_columns > limits::MAX_COLUMNS {
        let expected = format_args!("at most {}", limits::MAX_COLUMNS).to_string();
        return Err(LayoutError::new(0, "number of columns", expected, n_columns));
    }
    let mut heads = Vec::with_capacity(n_columns);
    let mut body_lens = Vec::with_capacity(n_columns);
    for _ in 0..n_columns {
        let name_len = cursor.u8("length of a column name")?;
        let name = cursor.text(name_len.into(), "name of a column")?;
        let offset = cursor.offset();
        let (ty, encoding) = (cursor.u8("type of a column")?, cursor.u8("encoding of a column")?);
        let types =
            [ColumnType::U8, ColumnType::U32, ColumnType::U64, ColumnType::I64, ColumnType::F64];
        let ty = types
            .into_iter()
            .find(|known| type_code(*known) == ty)
            .ok_or_else(|| LayoutError::new(offset, "type of a column", "1 to 5", ty))?;
        let encoding = Encoding::from_code(encoding).ok_or_else(|| {
            LayoutError::new(offset + 1, "encoding of a column", "0 to 5", encoding)
        })?;
        let position = |is_there: bool, cursor: &mut Cursor<'_>| {
            is_there.then(|| cursor.u8("position of a column")).transpose()
        };
        let is_keyed = matches!(encoding, Encoding::EndGap | Encoding::KeyedDelta);
        let key = position(is_keyed, &mut cursor)?;
        let length = position(encoding == Encoding::EndGap, &mut cursor)?;
        let base = cursor.varint("base of a column")?;
        let unit_offset = cursor.offset();
        let unit = cursor.varint("unit of a column")?;
        let has_unit = ty.width() == 8 && !matches!(encoding, Encoding::Constant | Encoding::Raw);
        if unit == 0 || unit > 1 && !has_unit {
            let expected = if has_unit { "1 or more" } else { "1" };
            return Err(LayoutError::new(unit_offset, "unit of a column", expected, unit));
        }
        let (body, body_offset) = (&[][..], 0);
        heads.push(ColumnHead { name, ty, encoding, key, length, base, unit, body, body_offset });
        body_lens.push(cursor.varint("length of a column")?);
    }
    for (head, len) in heads.iter_mut().zip(body_lens) {
        head.body_offset = cursor.offset();
        head.body = cursor.bytes(usize::try_from(len).unwrap_or(usize::MAX), "body of a column")?;
    }
    cursor.finish("columns")?;
    Ok(heads)
}

/// Turns payloads into columns; keeps its buffers from one to the next.
#[derive(Debug)]
pub(crate) struct TableDecoder {
    unpacker: Unpacker,
    planes: Vec<u8>,
    keys: Vec<u32>,
    byte_keys: Vec<u8>,
    lengths: Vec<u64>,
    last: LastByKey,
}

impl TableDecoder {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            unpacker: Unpacker::new()?,
            planes: Vec::new(),
            keys: Vec::new(),
            byte_keys: Vec::new(),
            lengths: Vec::new(),
            last: LastByKey::default(),
        })
    }

    /// Fills the targets, each `rows` long, from a chunk's payload; a column the chunk does not
    /// have takes its default. Returns how many of the chunk's columns are not in `known`.
    pub(crate) fn decode(
        &mut self,
        payload: &[u8],
        rows: usize,
        known: &[ColumnSpec],
        targets: &mut [TargetColumn<'_>],
    ) -> Result<usize, LayoutError> {
        let heads = read_heads(payload)?;
        for target in targets {
            let name = target.spec.name;
            match heads.iter().find(|head| head.name == name) {
                Some(head) => self.fill(&heads, head, rows, &mut target.values)?,
                None => target.values.fill(target.spec.default_bits),
            }
        }
        let is_unknown = |head: &&ColumnHead<'_>| known.iter().all(|spec| spec.name != head.name);
        Ok(heads.iter().filter(is_unknown).count())
    }

    fn fill(
        &mut self,
        heads: &[ColumnHead<'_>],
        head: &ColumnHead<'_>,
        rows: usize,
        target: &mut ColumnSlice<'_>,
    ) -> Result<(), LayoutError> {
        if target.ty() != head.ty {
            return Err(LayoutError::new(
                head.body_offset,
                "type of a column",
                format_args!("{:?} for {}", target.ty(), head.name),
                format_args!("{:?}", head.ty),
            ));
        }
        match (head.encoding, target) {
            (Encoding::EndGap, ColumnSlice::I64(out)) => self.fill_end_gaps(heads, head, rows, out),
            (Encoding::KeyedDelta, ColumnSlice::U64(out)) => {
                self.fill_keyed_deltas(heads, head, rows, out)
            }
            (_, ColumnSlice::U8(out)) => self.fill_plain(head, rows, out),
            (_, ColumnSlice::U32(out)) => self.fill_plain(head, rows, out),
            (_, ColumnSlice::U64(out)) => self.fill_plain(head, rows, out),
            (_, ColumnSlice::I64(out)) => self.fill_plain(head, rows, out),
            (_, ColumnSlice::F64(out)) => self.fill_plain(head, rows, out),
        }
    }

    /// Fills a column that depends on no other.
    fn fill_plain<T: Word>(
        &mut self,
        head: &ColumnHead<'_>,
        rows: usize,
        out: &mut [T],
    ) -> Result<(), LayoutError> {
        let base = T::Bits::from_u64(head.base);
        match head.encoding {
            Encoding::Constant => {
                Cursor::new(head.body).finish("constant column").map_err(|e| head.locate(e))?;
                out.fill(T::from_bits(base));
            }
            Encoding::Raw => {
                let mut cursor = Cursor::new(head.body);
                let bytes = cursor.bytes(rows * T::Bits::WIDTH, "raw column");
                let bytes = bytes.map_err(|e| head.locate(e))?;
                cursor.finish("raw column").map_err(|e| head.locate(e))?;
                for (value, bytes) in out.iter_mut().zip(bytes.chunks_exact(T::Bits::WIDTH)) {
                    let mut padded = [0; 8];
                    padded[..T::Bits::WIDTH].copy_from_slice(bytes);
                    *value = T::from_bits(T::Bits::from_u64(u64::from_le_bytes(padded)));
                }
            }
            Encoding::Planes => undo_plain(&self.planes(head, rows, T::Bits::WIDTH)?, out),
            Encoding::DeltaPlanes => {
                undo_delta(&self.planes(head, rows, T::Bits::WIDTH)?, base, out);
            }
            Encoding::EndGap | Encoding::KeyedDelta => {
                return Err(LayoutError::new(
                    head.body_offset,
                    "encoding of a column",
                    format_args!("one that depends on no other column, for {}", head.name),
                    head.encoding.name(),
                ));
            }
        }
        Ok(())
    }

    fn planes<'s>(
        &'s mut self,
        head: &ColumnHead<'s>,
        rows: usize,
        width: usize,
    ) -> Result<PlaneSet<'s>, LayoutError> {
        PlaneSet::read(head.body, rows, (width, head.unit), &mut self.unpacker, &mut self.planes)
            .map_err(|e| head.locate(e))
    }

    fn fill_keyed_deltas(
        &mut self,
        heads: &[ColumnHead<'_>],
        head: &ColumnHead<'_>,
        rows: usize,
        out: &mut [u64],
    ) -> Result<(), LayoutError> {
        self.read_keys(heads, head, rows)?;
        let planes =
            PlaneSet::read(head.body, rows, (8, head.unit), &mut self.unpacker, &mut self.planes)
                .map_err(|e| head.locate(e))?;
        let (keys, last) = (&self.keys, &mut self.last);
        last.reset(0);
        planes.for_each_block(Sign::Zigzag, |first_row, residuals: &[u64]| {
            let rows = first_row..first_row + residuals.len();
            let (Some(out), Some(keys)) = (out.get_mut(rows.clone()), keys.get(rows)) else {
                return;
            };
            for ((value, residual), key) in out.iter_mut().zip(residuals).zip(keys) {
                let last = last.slot(*key);
                *value = residual.undo_zigzag(*last);
                *last = *value;
            }
        });
        Ok(())
    }

    fn fill_end_gaps(
        &mut self,
        heads: &[ColumnHead<'_>],
        head: &ColumnHead<'_>,
        rows: usize,
        out: &mut [i64],
    ) -> Result<(), LayoutError> {
        let length = head.other(heads, head.length, "length column of a column")?;
        if length.ty != ColumnType::U64 {
            let found = format_args!("{:?}", length.ty).to_string();
            return Err(LayoutError::new(
                head.body_offset,
                "type of a length column",
                "U64",
                found,
            ));
        }
        let mut lengths = std::mem::take(&mut self.lengths);
        lengths.resize(rows, 0);
        let filled = match length.encoding {
            Encoding::KeyedDelta => self.fill_keyed_deltas(heads, length, rows, &mut lengths),
            _ => self.fill_plain(length, rows, &mut lengths),
        };
        self.lengths = lengths;
        filled?;
        self.read_keys(heads, head, rows)?;
        let planes =
            PlaneSet::read(head.body, rows, (8, head.unit), &mut self.unpacker, &mut self.planes)
                .map_err(|e| head.locate(e))?;
        let (keys, lengths, last) = (&self.keys, &self.lengths, &mut self.last);
        last.reset(head.base);
        planes.for_each_block(Sign::Zigzag, |first_row, residuals: &[u64]| {
            let rows = first_row..first_row + residuals.len();
            let (Some(out), Some(keys), Some(lengths)) =
                (out.get_mut(rows.clone()), keys.get(rows.clone()), lengths.get(rows))
            else {
                return;
            };
            for (((value, residual), key), length) in
                out.iter_mut().zip(residuals).zip(keys).zip(lengths)
            {
                let last_end = last.slot(*key);
                let start = residual.undo_zigzag(*last_end);
                *last_end = start.wrapping_add(*length);
                *value = start as i64;
            }
        });
        Ok(())
    }

    /// Decodes the key column of `head` into the key buffer.
    fn read_keys(
        &mut self,
        heads: &[ColumnHead<'_>],
        head: &ColumnHead<'_>,
        rows: usize,
    ) -> Result<(), LayoutError> {
        let key = head.other(heads, head.key, "key of a column")?;
        if key.ty == ColumnType::U8 {
            let mut bytes = std::mem::take(&mut self.byte_keys);
            bytes.resize(rows, 0);
            let filled = self.fill_plain(key, rows, &mut bytes);
            self.keys.clear();
            self.keys.extend(bytes.iter().map(|byte| u32::from(*byte)));
            self.byte_keys = bytes;
            return filled;
        }
        let mut keys = std::mem::take(&mut self.keys);
        keys.resize(rows, 0);
        let filled = match key.ty {
            ColumnType::U32 => self.fill_plain(key, rows, &mut keys),
            other => Err(LayoutError::new(
                head.body_offset,
                "type of a key column",
                "U8 or U32",
                format_args!("{other:?}"),
            )),
        };
        self.keys = keys;
        filled
    }
}

impl<'a> ColumnHead<'a> {
    /// A fault in this column's body, counted from the front of the payload.
    fn locate(&self, fault: LayoutError) -> LayoutError {
        LayoutError { offset: fault.offset + self.body_offset, ..fault }
    }

    /// The column this one depends on.
    fn other<'h>(
        &self,
        heads: &'h [ColumnHead<'a>],
        position: Option<u8>,
        what: &'static str,
    ) -> Result<&'h ColumnHead<'a>, LayoutError> {
        let found = position.and_then(|position| heads.get(usize::from(position)));
        found.ok_or_else(|| {
            let expected = format!("the position of one of {} columns", heads.len());
            let found = position.map_or("none".to_owned(), |position| position.to_string());
            LayoutError::new(self.body_offset, what, expected, found)
        })
    }
}

impl<'a> ColumnSlice<'a> {
    /// Takes the first `rows` values off (all, when there are fewer).
    pub(crate) fn split_front(&mut self, rows: usize) -> ColumnSlice<'a> {
        fn split<'a, T>(values: &mut &'a mut [T], rows: usize) -> &'a mut [T] {
            let whole = std::mem::take(values);
            let (front, rest) = whole.split_at_mut(rows.min(whole.len()));
            *values = rest;
            front
        }
        match self {
            Self::U8(values) => ColumnSlice::U8(split(values, rows)),
            Self::U32(values) => ColumnSlice::U32(split(values, rows)),
            Self::U64(values) => ColumnSlice::U64(split(values, rows)),
            Self::I64(values) => ColumnSlice::I64(split(values, rows)),
            Self::F64(values) => ColumnSlice::F64(split(values, rows)),
        }
    }

    fn ty(&self) -> ColumnType {
        match self {
            Self::U8(_) => ColumnType::U8,
            Self::U32(_) => ColumnType::U32,
            Self::U64(_) => ColumnType::U64,
            Self::I64(_) => ColumnType::I64,
            Self::F64(_) => ColumnType::F64,
        }
    }

    fn fill(&mut self, bits: u64) {
        match self {
            Self::U8(values) => values.fill(bits as u8),
            Self::U32(values) => values.fill(bits as u32),
            Self::U64(values) => values.fill(bits),
            Self::I64(values) => values.fill(bits as i64),
            Self::F64(values) => values.fill(f64::from_bits(bits)),
        }
    }
}

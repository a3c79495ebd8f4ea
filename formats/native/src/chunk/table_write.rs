//! A slice of a table to the payload of a chunk.
//!
//! ```text
//! 0  2  columns
//! …     per column its head:
//!         1  length of the name, then the name
//!         1  type: 1 u8, 2 u32, 3 u64, 4 i64, 5 f64
//!         1  encoding: 0 constant, 1 raw, 2 planes, 3 delta planes, 4 end gap, 5 keyed delta
//!         1  end gap and keyed delta alone: position of the key column in this chunk
//!         1  end gap alone: position of the length column in this chunk
//!         v  base: the constant, or what the first difference is from
//!         v  unit: what every value or difference is a multiple of and was divided by
//!         v  length of the body
//! …     the bodies, in the order of the heads
//! ```
//! `v` is a varint. Constant and raw columns have the unit 1, as have columns narrower than 64
//! bits.

use std::io;

use underspan_model::tables::TableKind;
use underspan_model::{ColumnRef, ColumnSpec, ColumnType};

use crate::codec::{
    Bits, Encoding, LastByKey, Packer, Sign, Word, delta_residuals, divide, estimated_bits,
    plain_residuals, unit_of_sample, write_planes,
};
use crate::layout::put_varint;
use crate::track::{DURATION_COLUMN, START_COLUMN, track_columns};

/// The number that stands for a type in files.
pub(crate) const fn type_code(ty: ColumnType) -> u8 {
    match ty {
        ColumnType::U8 => 1,
        ColumnType::U32 => 2,
        ColumnType::U64 => 3,
        ColumnType::I64 => 4,
        ColumnType::F64 => 5,
    }
}

/// Turns table slices into payloads; keeps its buffers from one to the next.
#[derive(Debug)]
pub(crate) struct TableEncoder {
    is_predicting: bool,
    scratch: Scratch,
    bodies: Vec<u8>,
}

#[derive(Debug)]
struct Scratch {
    packer: Packer,
    plane: Vec<u8>,
    narrow: Residuals<u32>,
    wide: Residuals<u64>,
    bytes: Residuals<u8>,
    last: LastByKey,
}

#[derive(Debug, Default)]
struct Residuals<B> {
    all: Vec<B>,
    sample: Vec<B>,
}

/// Where the columns that predictions are made from stand.
#[derive(Debug, Clone, Copy)]
struct Predictors<'a> {
    start: u8,
    duration: u8,
    key: (u8, ColumnRef<'a>),
    name: (u8, ColumnRef<'a>),
    starts: &'a [i64],
    durations: &'a [u64],
}

/// How one column was stored.
struct Outcome {
    encoding: Encoding,
    /// Positions of the columns it depends on.
    others: [Option<u8>; 2],
    base: u64,
    unit: u64,
}

impl Outcome {
    fn of(encoding: Encoding, base: u64) -> Self {
        Self { encoding, others: [None; 2], base, unit: 1 }
    }
}

impl TableEncoder {
    pub(crate) fn new(zstd_level: i32, is_predicting: bool) -> io::Result<Self> {
        let scratch = Scratch {
            packer: Packer::new(zstd_level)?,
            plane: Vec::new(),
            narrow: Residuals::default(),
            wide: Residuals::default(),
            bytes: Residuals::default(),
            last: LastByKey::default(),
        };
        Ok(Self { is_predicting, scratch, bodies: Vec::new() })
    }

    /// Appends the payload of a chunk with these columns, all equally long, to `out`.
    pub(crate) fn encode(
        &mut self,
        kind: Option<TableKind>,
        specs: &[ColumnSpec],
        columns: &[ColumnRef<'_>],
        out: &mut Vec<u8>,
    ) {
        self.bodies.clear();
        let predictors = match kind {
            Some(kind) if self.is_predicting => Predictors::find(kind, specs, columns),
            _ => None,
        };
        out.extend_from_slice(&(specs.len() as u16).to_le_bytes());
        for (index, (spec, column)) in specs.iter().zip(columns).enumerate() {
            let before = self.bodies.len();
            let bodies = &mut self.bodies;
            let predicted = predictors
                .and_then(|found| self.scratch.write_predicted(found, index as u8, bodies));
            let outcome = predicted.unwrap_or_else(|| match *column {
                ColumnRef::U8(values) => self.scratch.write_column(values, bodies),
                ColumnRef::U32(values) => self.scratch.write_column(values, bodies),
                ColumnRef::U64(values) => self.scratch.write_column(values, bodies),
                ColumnRef::I64(values) => self.scratch.write_column(values, bodies),
                ColumnRef::F64(values) => self.scratch.write_column(values, bodies),
            });
            out.push(spec.name.len() as u8);
            out.extend_from_slice(spec.name.as_bytes());
            out.push(type_code(spec.ty));
            out.push(outcome.encoding.code());
            out.extend(outcome.others.into_iter().flatten());
            put_varint(outcome.base, out);
            put_varint(outcome.unit, out);
            put_varint((self.bodies.len() - before) as u64, out);
        }
        out.extend_from_slice(&self.bodies);
    }
}

/// A width's residual buffers within the scratch.
trait Buffers: Bits {
    fn buffers(scratch: &mut Scratch) -> (&mut Residuals<Self>, &mut Packer, &mut Vec<u8>);
}

macro_rules! buffers {
    ($($bits:ty => $field:ident;)*) => {$(
        impl Buffers for $bits {
            fn buffers(scratch: &mut Scratch) -> (&mut Residuals<Self>, &mut Packer, &mut Vec<u8>) {
                (&mut scratch.$field, &mut scratch.packer, &mut scratch.plane)
            }
        }
    )*};
}

buffers! {
    u8 => bytes;
    u32 => narrow;
    u64 => wide;
}

impl Scratch {
    fn write_column<T: Word<Bits: Buffers>>(&mut self, values: &[T], out: &mut Vec<u8>) -> Outcome {
        let first = values.first().map(|value| value.to_bits()).unwrap_or_default();
        if values.iter().all(|value| value.to_bits() == first) {
            return Outcome::of(Encoding::Constant, first.to_u64());
        }
        let (residuals, packer, plane) = T::Bits::buffers(self);
        let before = out.len();
        let outcome = if T::Bits::WIDTH > 1 && is_delta_smaller(values, &mut residuals.sample) {
            let mut all = delta_residuals(values, first, &mut residuals.all);
            let unit = divide_by_unit(&mut residuals.all, &mut all, Sign::Zigzag);
            write_planes(&residuals.all, all, packer, plane, out);
            Outcome { unit, ..Outcome::of(Encoding::DeltaPlanes, first.to_u64()) }
        } else {
            let mut all = plain_residuals(values, &mut residuals.all);
            let unit = divide_by_unit(&mut residuals.all, &mut all, Sign::Plain);
            write_planes(&residuals.all, all, packer, plane, out);
            Outcome { unit, ..Outcome::of(Encoding::Planes, 0) }
        };
        if out.len() - before < values.len() * T::Bits::WIDTH {
            return outcome;
        }
        out.truncate(before);
        for value in values {
            out.extend_from_slice(&value.to_bits().to_u64().to_le_bytes()[..T::Bits::WIDTH]);
        }
        Outcome::of(Encoding::Raw, 0)
    }

    /// Stores the column at `index` by prediction, when it is one that can be predicted and that
    /// is smaller than without.
    fn write_predicted(
        &mut self,
        predictors: Predictors<'_>,
        index: u8,
        out: &mut Vec<u8>,
    ) -> Option<Outcome> {
        let (encoding, key, base, rival) = if index == predictors.start {
            let base = predictors.starts.first().copied().unwrap_or_default() as u64;
            self.end_gaps(&predictors, base);
            (Encoding::EndGap, predictors.key.0, base, rival_bits(predictors.starts))
        } else if index == predictors.duration {
            self.keyed_deltas(&predictors);
            (Encoding::KeyedDelta, predictors.name.0, 0, rival_bits(predictors.durations))
        } else {
            return None;
        };
        let residuals = &mut self.wide;
        residuals.sample.clear();
        for run in sample_runs(residuals.all.len()) {
            residuals.sample.extend_from_slice(&residuals.all[run]);
        }
        if estimated_bits(&residuals.sample) >= rival {
            return None;
        }
        let mut all = residuals.all.iter().fold(0, |all, bits| all | bits);
        let unit = divide_by_unit(&mut residuals.all, &mut all, Sign::Zigzag);
        write_planes(&residuals.all, all, &mut self.packer, &mut self.plane, out);
        let length = (encoding == Encoding::EndGap).then_some(predictors.duration);
        Some(Outcome { encoding, others: [Some(key), length], base, unit })
    }

    fn end_gaps(&mut self, predictors: &Predictors<'_>, base: u64) {
        self.last.reset(base);
        self.wide.all.clear();
        let rows = predictors.starts.iter().zip(predictors.durations);
        for (row, (start, duration)) in rows.enumerate() {
            let last_end = self.last.slot(key_at(predictors.key.1, row));
            self.wide.all.push((*start as u64).zigzag_from(*last_end));
            *last_end = (*start as u64).wrapping_add(*duration);
        }
    }

    fn keyed_deltas(&mut self, predictors: &Predictors<'_>) {
        self.last.reset(0);
        self.wide.all.clear();
        for (row, duration) in predictors.durations.iter().enumerate() {
            let last = self.last.slot(key_at(predictors.name.1, row));
            self.wide.all.push(duration.zigzag_from(*last));
            *last = *duration;
        }
    }
}

/// Divides residuals by what all of them are multiples of, and returns that. `all` has the bits
/// that any of them has, before and after.
fn divide_by_unit<B: Bits>(residuals: &mut [B], all: &mut B, sign: Sign) -> u64 {
    let Some(wide) = B::as_wide(residuals) else { return 1 };
    let sample = sample_runs(wide.len()).flat_map(|run| wide.get(run).unwrap_or_default());
    let unit = unit_of_sample(sample, sign);
    if unit == 1 || !divide(wide, unit, sign) {
        return 1;
    }
    *all = B::from_u64(wide.iter().fold(0, |all, bits| all | bits));
    unit
}

#[inline]
fn key_at(keys: ColumnRef<'_>, row: usize) -> u32 {
    match keys {
        ColumnRef::U32(keys) => keys.get(row).copied().unwrap_or_default(),
        ColumnRef::U8(keys) => keys.get(row).copied().unwrap_or_default().into(),
        _ => 0,
    }
}

/// Bits of the better encoding without prediction.
fn rival_bits<T: Word>(values: &[T]) -> u64 {
    let mut sample = Vec::new();
    let (plain, delta) = sampled_bits(values, &mut sample);
    plain.min(delta)
}

fn is_delta_smaller<T: Word>(values: &[T], sample: &mut Vec<T::Bits>) -> bool {
    let (plain, delta) = sampled_bits(values, sample);
    delta < plain
}

/// Estimated bits of a sample as plain values and as differences.
fn sampled_bits<T: Word>(values: &[T], sample: &mut Vec<T::Bits>) -> (u64, u64) {
    sample.clear();
    for run in sample_runs(values.len()) {
        sample.extend(values[run].iter().map(|value| value.to_bits()));
    }
    let plain = estimated_bits(sample);
    sample.clear();
    for run in sample_runs(values.len()) {
        let run = &values[run];
        let mut previous = run.first().map(|value| value.to_bits()).unwrap_or_default();
        sample.extend(run.iter().map(|value| {
            let difference = value.to_bits().zigzag_from(previous);
            previous = value.to_bits();
            difference
        }));
    }
    (plain, estimated_bits(sample))
}

/// Up to four runs of 256 rows, spread evenly over `rows`.
fn sample_runs(rows: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    const RUN: usize = 256;
    let n_runs = rows.div_ceil(RUN).min(4);
    (0..n_runs).map(move |run| {
        let start = if rows <= 4 * RUN { run * RUN } else { (rows - RUN) / 3 * run };
        start..(start + RUN).min(rows)
    })
}

impl<'a> Predictors<'a> {
    fn find(kind: TableKind, specs: &[ColumnSpec], columns: &[ColumnRef<'a>]) -> Option<Self> {
        let names = track_columns(kind)?;
        let find = |name: &str| {
            let index = specs.iter().position(|spec| spec.name == name)?;
            Some((u8::try_from(index).ok()?, *columns.get(index)?))
        };
        let ((start, ColumnRef::I64(starts)), (duration, ColumnRef::U64(durations))) =
            (find(START_COLUMN)?, find(DURATION_COLUMN)?)
        else {
            return None;
        };
        let (key, name) = (find(names.key)?, find(names.name)?);
        Some(Self { start, duration, key, name, starts, durations })
    }
}

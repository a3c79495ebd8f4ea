//! Byte planes.
//!
//! ```text
//! 0  1  planes stored; those above are all zero
//! …     per plane: 1 storage (0 constant, 1 raw, 2 zstd), then as a varint the constant byte, or
//!       the stored length
//! …     the planes that are raw or zstd, lowest first
//! ```

use super::unit::multiply;
use super::{Bits, Packer, Sign, Unpacker};
use crate::error::LayoutError;
use crate::layout::{Cursor, put_varint};

/// Rows merged at a time: small enough that a block stays in the first-level cache.
pub(super) const BLOCK_ROWS: usize = 1024;
const MAX_PLANES: usize = 8;
/// Planes shorter than this are not worth a zstd frame.
const MIN_PACKED_LEN: usize = 32;

const CONSTANT: u8 = 0;
const RAW: u8 = 1;
const ZSTD: u8 = 2;

/// Appends the planes of `residuals` to `out`. `all` has every bit that any residual has.
pub(crate) fn write_planes<B: Bits>(
    residuals: &[B],
    all: B,
    packer: &mut Packer,
    plane: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let n_planes = all.significant_bytes();
    out.push(n_planes as u8);
    let mut stored = std::mem::take(&mut packer.planes);
    stored.clear();
    for index in 0..n_planes {
        plane.clear();
        plane.extend(residuals.iter().map(|bits| bits.byte(index)));
        let (storage, value) = write_plane(plane, packer, &mut stored);
        out.push(storage);
        put_varint(value.into(), out);
    }
    out.extend_from_slice(&stored);
    packer.planes = stored;
}

fn write_plane(plane: &[u8], packer: &mut Packer, out: &mut Vec<u8>) -> (u8, u32) {
    let first = plane.first().copied().unwrap_or_default();
    if plane.iter().all(|byte| *byte == first) {
        return (CONSTANT, first.into());
    }
    if plane.len() >= MIN_PACKED_LEN
        && let Some(len) = packer.pack(plane, out)
    {
        return (ZSTD, len);
    }
    out.extend_from_slice(plane);
    (RAW, plane.len() as u32)
}

/// The planes of one column, decompressed.
#[derive(Debug)]
pub(crate) struct PlaneSet<'a> {
    planes: [&'a [u8]; MAX_PLANES],
    n_planes: usize,
    rows: usize,
    unit: u64,
}

#[derive(Debug, Clone, Copy)]
enum Stored<'a> {
    Constant(u8),
    Raw(&'a [u8]),
    Zstd(&'a [u8], usize),
}

impl<'a> PlaneSet<'a> {
    /// Reads the planes of a column of `rows` values, each `width` bytes wide and a multiple of
    /// `unit`.
    pub(crate) fn read(
        body: &'a [u8],
        rows: usize,
        (width, unit): (usize, u64),
        unpacker: &mut Unpacker,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Self, LayoutError> {
        let mut cursor = Cursor::new(body);
        let n_planes = usize::from(cursor.u8("number of byte planes")?);
        if n_planes > width {
            return Err(LayoutError::new(
                0,
                "number of byte planes",
                format_args!("at most {width}"),
                n_planes,
            ));
        }
        let mut descriptors = [(0u8, 0u64); MAX_PLANES];
        for descriptor in &mut descriptors[..n_planes] {
            *descriptor =
                (cursor.u8("storage of a byte plane")?, cursor.varint("length of a byte plane")?);
        }
        let mut stored = [Stored::Constant(0); MAX_PLANES];
        for (slot, (storage, value)) in stored.iter_mut().zip(&descriptors[..n_planes]) {
            *slot = read_stored(&mut cursor, *storage, *value, rows)?;
        }
        cursor.finish("byte planes")?;

        let in_scratch = stored[..n_planes].iter().filter(|plane| !matches!(plane, Stored::Raw(_)));
        let needed = in_scratch.count() * rows;
        if scratch.len() < needed {
            scratch.resize(needed, 0);
        }
        let mut rest: &'a mut [u8] = &mut scratch[..needed];
        let mut planes = [&[][..]; MAX_PLANES];
        for (plane, stored) in planes.iter_mut().zip(&stored[..n_planes]) {
            if let Stored::Raw(bytes) = stored {
                *plane = bytes;
                continue;
            }
            let (target, after) = rest.split_at_mut(rows);
            rest = after;
            match *stored {
                Stored::Constant(byte) => target.fill(byte),
                Stored::Zstd(packed, offset) => {
                    unpacker.unpack(packed, target).map_err(|found| {
                        let expected = format!("{rows} bytes");
                        LayoutError::new(offset, "compressed byte plane", expected, found)
                    })?;
                }
                Stored::Raw(_) => {}
            }
            *plane = target;
        }
        Ok(Self { planes, n_planes, rows, unit })
    }

    /// Calls `visit(first row, residuals)` for block after block.
    pub(crate) fn for_each_block<B: Bits>(&self, sign: Sign, mut visit: impl FnMut(usize, &[B])) {
        let mut block = [B::default(); BLOCK_ROWS];
        let mut narrow = [0u32; BLOCK_ROWS];
        let mut wide = [0u64; BLOCK_ROWS];
        let mut first_row = 0;
        while first_row < self.rows {
            let len = BLOCK_ROWS.min(self.rows - first_row);
            let part = |plane: usize| {
                self.planes[plane].get(first_row..first_row + len).unwrap_or_default()
            };
            let block = &mut block[..len];
            match self.n_planes {
                0 => block.fill(B::default()),
                1 => {
                    for (bits, byte) in block.iter_mut().zip(part(0)) {
                        *bits = B::from_u32((*byte).into());
                    }
                }
                2..=4 => {
                    let narrow = &mut narrow[..len];
                    merge_narrow(self.n_planes, part, narrow);
                    for (bits, merged) in block.iter_mut().zip(&*narrow) {
                        *bits = B::from_u32(*merged);
                    }
                }
                _ => {
                    let (narrow, wide) = (&mut narrow[..len], &mut wide[..len]);
                    merge_narrow(4, part, narrow);
                    for (merged, low) in wide.iter_mut().zip(&*narrow) {
                        *merged = (*low).into();
                    }
                    for plane in 4..self.n_planes {
                        for (merged, byte) in wide.iter_mut().zip(part(plane)) {
                            *merged |= u64::from(*byte) << (8 * plane);
                        }
                    }
                    for (bits, merged) in block.iter_mut().zip(&*wide) {
                        *bits = B::from_u64(*merged);
                    }
                }
            }
            if self.unit != 1
                && let Some(wide) = B::as_wide(block)
            {
                multiply(wide, self.unit, sign);
            }
            visit(first_row, block);
            first_row += len;
        }
    }
}

fn read_stored<'a>(
    cursor: &mut Cursor<'a>,
    storage: u8,
    value: u64,
    rows: usize,
) -> Result<Stored<'a>, LayoutError> {
    let offset = cursor.offset();
    match storage {
        CONSTANT => u8::try_from(value)
            .map(Stored::Constant)
            .map_err(|_| LayoutError::new(offset, "constant byte plane", "at most 255", value)),
        RAW if value != rows as u64 => {
            Err(LayoutError::new(offset, "length of a raw byte plane", rows, value))
        }
        RAW => cursor.bytes(rows, "raw byte plane").map(Stored::Raw),
        ZSTD => cursor
            .bytes(usize::try_from(value).unwrap_or(usize::MAX), "compressed byte plane")
            .map(|bytes| Stored::Zstd(bytes, offset)),
        other => Err(LayoutError::new(offset, "storage of a byte plane", "0, 1 or 2", other)),
    }
}

/// Puts the lowest two to four planes together.
fn merge_narrow<'a>(n_planes: usize, part: impl Fn(usize) -> &'a [u8], out: &mut [u32]) {
    let (low, high) = (part(0), part(1));
    match n_planes {
        2 => {
            for ((merged, a), b) in out.iter_mut().zip(low).zip(high) {
                *merged = u32::from(u16::from_le_bytes([*a, *b]));
            }
        }
        3 => {
            for (((merged, a), b), c) in out.iter_mut().zip(low).zip(high).zip(part(2)) {
                *merged = u32::from_le_bytes([*a, *b, *c, 0]);
            }
        }
        _ => {
            let upper = part(2).iter().zip(part(3));
            for (((merged, a), b), (c, d)) in out.iter_mut().zip(low).zip(high).zip(upper) {
                *merged = u32::from_le_bytes([*a, *b, *c, *d]);
            }
        }
    }
}

//! Leaves as columns of a chunk of kind `lod`.

use underspan_model::{ColumnRef, ColumnSpec, ColumnType, Reference};

use super::leaf::{LEAF_EVENTS, Leaf};
use super::node::Node;
use crate::chunk::{ColumnSlice, TableDecoder, TableEncoder, TargetColumn};
use crate::error::LayoutError;

const fn column(name: &'static str, ty: ColumnType) -> ColumnSpec {
    ColumnSpec { name, ty, default_bits: 0, reference: Reference::Nothing }
}

const COLUMNS: &[ColumnSpec; 8] = &[
    column("key", ColumnType::U32),
    column("chunk", ColumnType::U32),
    column("events", ColumnType::U32),
    column("dominant", ColumnType::U32),
    column("start_ns", ColumnType::I64),
    column("length_ns", ColumnType::U64),
    column("idle_ns", ColumnType::U64),
    column("dominant_ns", ColumnType::U64),
];

/// Bytes of a leaf when decoded.
pub(crate) const DECODED_LEN: usize = 48;

#[derive(Debug, Default)]
struct Columns {
    narrow: [Vec<u32>; 4],
    start_ns: Vec<i64>,
    wide: [Vec<u64>; 3],
}

/// Appends the payload of a chunk with these leaves.
pub(crate) fn write_leaves(leaves: &[Leaf], encoder: &mut TableEncoder, out: &mut Vec<u8>) {
    let mut columns = Columns::default();
    for Leaf { key, chunk, node } in leaves {
        let length = node.end.abs_diff(node.start);
        // Nearly always small: a track is busy, or idle, most of the time of a leaf.
        let idle = length.wrapping_sub(node.busy);
        for (column, value) in
            columns.narrow.iter_mut().zip([*key, *chunk, node.events, node.dominant])
        {
            column.push(value);
        }
        columns.start_ns.push(node.start);
        for (column, value) in columns.wide.iter_mut().zip([length, idle, node.weight]) {
            column.push(value);
        }
    }
    let narrow = columns.narrow.iter().map(|column| ColumnRef::U32(column));
    let wide = columns.wide.iter().map(|column| ColumnRef::U64(column));
    let refs: Vec<_> = narrow.chain([ColumnRef::I64(&columns.start_ns)]).chain(wide).collect();
    encoder.encode(None, COLUMNS, &refs, out);
}

/// Reads the leaves of a payload.
pub(crate) fn read_leaves(
    payload: &[u8],
    rows: usize,
    decoder: &mut TableDecoder,
) -> Result<Vec<Leaf>, LayoutError> {
    let mut columns = Columns::default();
    {
        let mut slices = Vec::with_capacity(COLUMNS.len());
        for column in &mut columns.narrow {
            column.resize(rows, 0);
            slices.push(ColumnSlice::U32(column));
        }
        columns.start_ns.resize(rows, 0);
        slices.push(ColumnSlice::I64(&mut columns.start_ns));
        for column in &mut columns.wide {
            column.resize(rows, 0);
            slices.push(ColumnSlice::U64(column));
        }
        let mut targets: Vec<TargetColumn<'_>> = COLUMNS
            .iter()
            .zip(slices)
            .map(|(spec, values)| TargetColumn { spec, values })
            .collect();
        decoder.decode(payload, rows, COLUMNS, &mut targets)?;
    }
    let [keys, chunks, events, dominants] = &columns.narrow;
    let [lengths, idles, weights] = &columns.wide;
    let narrow = keys.iter().zip(chunks).zip(events.iter().zip(dominants));
    let wide = lengths.iter().zip(idles).zip(weights);
    let leaves = narrow.zip(columns.start_ns.iter().zip(wide)).map(
        |(((key, chunk), (events, dominant)), (start, ((length, idle), weight)))| Leaf {
            key: *key,
            chunk: *chunk,
            node: Node {
                start: *start,
                end: start.saturating_add_unsigned(*length),
                busy: length.wrapping_sub(*idle),
                weight: *weight,
                dominant: *dominant,
                events: *events,
            },
        },
    );
    let leaves: Vec<Leaf> = leaves.collect();
    match leaves.iter().find(|leaf| !(1..=LEAF_EVENTS as u32).contains(&leaf.node.events)) {
        Some(leaf) => {
            let expected = format!("1 to {LEAF_EVENTS}");
            Err(LayoutError::new(0, "events of a leaf", expected, leaf.node.events))
        }
        None => Ok(leaves),
    }
}

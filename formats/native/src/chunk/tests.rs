//! Whole payloads: what the encoder chooses, and columns that come and go between versions.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use underspan_model::tables::{KernelTable, Table, TableKind};
use underspan_model::{ColumnMut, ColumnSpec, ColumnType, Reference};

use super::*;
use crate::codec::Encoding;
use crate::reader::column_targets;

fn payload_of(table: &KernelTable, is_predicting: bool) -> Vec<u8> {
    let mut encoder = TableEncoder::new(1, is_predicting).unwrap();
    let mut payload = Vec::new();
    encoder.encode(Some(TableKind::Kernel), table.specs(), &table.columns(), &mut payload);
    payload
}

fn decode(payload: &[u8], n_rows: usize) -> Result<KernelTable, crate::error::LayoutError> {
    let mut table = KernelTable::default();
    for column in table.columns_mut() {
        crate::reader::set_len(column, n_rows);
    }
    let specs = table.specs();
    let mut targets = column_targets(specs, table.columns_mut(), 0, n_rows);
    TableDecoder::new().unwrap().decode(payload, n_rows, specs, &mut targets)?;
    drop(targets);
    Ok(table)
}

/// Kernels one after the other on a few streams, each shape with a length of its own; now and then
/// any value at all.
fn predictable(n_rows: usize) -> impl Strategy<Value = KernelTable> {
    let row = (0..3u32, 0..40u32, 0..30u64, any::<(i64, u64, u32)>(), 0..100u32);
    prop::collection::vec(row, n_rows).prop_map(|rows| {
        let mut table = KernelTable::default();
        let mut ends = [0i64, 1 << 40, -500];
        for (stream, shape, noise, (start, duration, key), dice) in rows {
            let gap = 900 + noise as i64;
            let mut row = underspan_model::tables::Kernel {
                start_ns: ends[stream as usize] + gap,
                duration_ns: 3000 + u64::from(shape) * 100_000 + noise,
                stream,
                shape,
                ..Default::default()
            };
            match dice {
                0 => row.start_ns = start,
                1 => row.duration_ns = duration,
                2 => row.stream = key,
                3 => row.shape = key,
                _ => {}
            }
            ends[stream as usize] = row.start_ns.wrapping_add(row.duration_ns as i64);
            table.push(row);
        }
        table
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn predicted_columns_are_given_back(table in predictable(1500)) {
        let payload = payload_of(&table, true);
        let heads = read_heads(&payload).unwrap();
        let encoding = |name| heads.iter().find(|head| head.name == name).unwrap().encoding;
        prop_assert_eq!(encoding("start_ns"), Encoding::EndGap);
        prop_assert_eq!(encoding("duration_ns"), Encoding::KeyedDelta);
        prop_assert_eq!(&decode(&payload, table.len()).unwrap(), &table);
        prop_assert!(payload.len() < payload_of(&table, false).len());
    }

    #[test]
    fn a_changed_payload_is_refused_or_read_but_never_panics(
        table in predictable(300),
        is_predicting: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        n_rows in prop_oneof![Just(300usize), 0..3000usize],
    ) {
        let mut payload = payload_of(&table, is_predicting);
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let _ = decode(&payload, n_rows);
    }
}

/// A table of a version that has a column more and a column less.
const OTHER_VERSION: &[ColumnSpec] = &[
    ColumnSpec {
        name: "start_ns",
        ty: ColumnType::I64,
        default_bits: 0,
        reference: Reference::Nothing,
    },
    ColumnSpec {
        name: "temperature",
        ty: ColumnType::F64,
        default_bits: 0,
        reference: Reference::Nothing,
    },
];

#[test]
fn columns_of_a_later_version_are_passed_over_and_missing_ones_take_their_default() {
    let (starts, temperatures) = ([5i64, 9, 70], [40.5f64, 41.0, 39.0]);
    let columns =
        [underspan_model::ColumnRef::I64(&starts), underspan_model::ColumnRef::F64(&temperatures)];
    let mut payload = Vec::new();
    TableEncoder::new(1, false).unwrap().encode(None, OTHER_VERSION, &columns, &mut payload);
    let mut table = KernelTable::default();
    for column in table.columns_mut() {
        crate::reader::set_len(column, 3);
    }
    let specs = table.specs();
    let mut targets = column_targets(specs, table.columns_mut(), 0, 3);
    let n_unknown = TableDecoder::new().unwrap().decode(&payload, 3, specs, &mut targets).unwrap();
    drop(targets);
    assert_eq!(n_unknown, 1);
    assert_eq!(table.start_ns, starts);
    assert_eq!(table.graph_node_id, [u64::MAX; 3]);
    assert_eq!(table.stream, [u32::MAX; 3]);
}

#[test]
fn a_column_of_another_type_is_refused() {
    let column = [ColumnSpec { ty: ColumnType::U32, ..OTHER_VERSION[0] }];
    let mut payload = Vec::new();
    let values = [underspan_model::ColumnRef::U32(&[1, 2, 3])];
    TableEncoder::new(1, false).unwrap().encode(None, &column, &values, &mut payload);
    let fault = decode(&payload, 3).unwrap_err();
    assert_eq!((fault.what, fault.found.as_str()), ("type of a column", "U32"));
}

#[test]
fn a_column_that_depends_on_itself_is_refused() {
    let mut table = KernelTable::default();
    let mut state = 1u64;
    for n in 0..2000u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let shape = (state >> 40) % 40;
        table.push(underspan_model::tables::Kernel {
            start_ns: (n * 5_000_000) as i64,
            duration_ns: 3000 + shape * 100_000,
            shape: shape as u32,
            stream: 0,
            ..Default::default()
        });
    }
    let mut payload = payload_of(&table, true);
    assert_eq!(decode(&payload, 2000).unwrap(), table);
    // The head of the length column: name, type, encoding, then the position of its key.
    let name = payload.windows(11).position(|w| w == b"duration_ns").unwrap();
    let key = name + 11 + 2;
    for other in [0, 1, 200] {
        payload[key] = other;
        assert!(decode(&payload, 2000).is_err(), "key column {other}");
    }
}

#[test]
fn targets_share_columns_without_overlap() {
    let mut table = KernelTable { start_ns: vec![0; 10], ..Default::default() };
    let columns = table.columns_mut();
    let mut targets = column_targets(KernelTable::COLUMNS, columns, 4, 3);
    if let ColumnSlice::I64(values) = &mut targets[0].values {
        values.fill(7);
    }
    drop(targets);
    assert_eq!(table.start_ns, [0, 0, 0, 0, 7, 7, 7, 0, 0, 0]);
    assert!(matches!(table.columns_mut()[0], ColumnMut::I64(_)));
}

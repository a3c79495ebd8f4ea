//! Timelines for the tests of this crate.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part")]

pub mod fixture;
pub mod forge;
pub mod written;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use underspan_model::tables::Table;
use underspan_model::{
    ClockDomain, ColumnMut, ColumnSpec, KernelShape, NONE_U32, ProblemKind, Reference, StringId,
    Timeline,
};

/// Timelines with every table, up to `max_rows` rows each, made of values of very different
/// character. Deterministic in its inputs.
pub fn timelines(max_rows: usize) -> impl Strategy<Value = Timeline> {
    (any::<u64>(), 0..=max_rows).prop_map(|(seed, rows)| timeline(seed, rows))
}

/// The timeline that `seed` makes.
pub fn timeline(seed: u64, max_rows: usize) -> Timeline {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut t = Timeline::new();
    t.info.format = ["", "kineto_json", "uspan+nsys_sqlite"][pick(&mut rng, 3)].to_owned();
    t.info.clock = [ClockDomain::Realtime, ClockDomain::Monotonic, ClockDomain::SourceRelative]
        [pick(&mut rng, 3)];
    for index in 0..pick(&mut rng, 40) {
        t.strings.intern(&"µ kernel<".repeat(pick(&mut rng, 4) + index % 3));
        t.strings.intern(&format!("name {}", rng.next_u32()));
    }
    for _ in 0..pick(&mut rng, 20) {
        let name = match pick(&mut rng, 1 + t.strings.len()) {
            0 => StringId::NONE,
            n => StringId::from_index(n - 1),
        };
        let grid = [rng.next_u32() % 9, 1, 1];
        t.shapes.intern(KernelShape { grid, ..KernelShape::named(name) });
    }
    for kind in underspan_model::tables::TableKind::ALL.iter().rev() {
        let rows = pick(&mut rng, max_rows + 1);
        let lens: Vec<(Reference, usize)> = lens(&t);
        fill(t.table_mut(*kind), rows, &lens, &mut rng);
    }
    // Lists refer to each other, and only now is each as long as it will be.
    let lens = lens(&t);
    for table in t.tables_mut() {
        let specs = table.specs();
        for (spec, column) in specs.iter().zip(table.columns_mut()) {
            if let (ColumnMut::U32(values), Some(len)) = (column, len_of(spec.reference, &lens)) {
                for value in values.iter_mut().filter(|value| **value as usize >= len) {
                    *value = NONE_U32;
                }
            }
        }
    }
    for _ in 0..pick(&mut rng, 5) {
        let kind = ProblemKind::ALL[pick(&mut rng, ProblemKind::ALL.len())];
        let (count, n) = (rng.next_u64(), pick(&mut rng, 3));
        t.problems.record(kind, &format!("file {n}"), count, || format!("offset {count} µ"));
    }
    t.dimensions.rebuild_lookups();
    t.sort();
    t
}

fn pick(rng: &mut TestRng, n: usize) -> usize {
    (rng.next_u64() % n.max(1) as u64) as usize
}

fn lens(t: &Timeline) -> Vec<(Reference, usize)> {
    let d = &t.dimensions;
    vec![
        (Reference::String, t.strings.len()),
        (Reference::Shape, t.shapes.len()),
        (Reference::Process, d.processes.len()),
        (Reference::Device, d.devices.len()),
        (Reference::Stream, d.streams.len()),
        (Reference::Thread, d.threads.len()),
        (Reference::CounterTrack, d.counter_tracks.len()),
        (Reference::Source, d.sources.len()),
    ]
}

fn len_of(reference: Reference, lens: &[(Reference, usize)]) -> Option<usize> {
    lens.iter().find(|(of, _)| *of == reference).map(|(_, len)| *len)
}

/// Appends `rows` rows, every column with a character of its own.
fn fill(table: &mut dyn Table, rows: usize, lens: &[(Reference, usize)], rng: &mut TestRng) {
    let specs = table.specs();
    for (spec, column) in specs.iter().zip(table.columns_mut()) {
        let values = values(rows, spec, lens, rng);
        match column {
            ColumnMut::U8(out) => out.extend(values.map(|v| v as u8)),
            ColumnMut::U32(out) => out.extend(values.map(|v| v as u32)),
            ColumnMut::U64(out) => out.extend(values),
            ColumnMut::I64(out) => out.extend(values.map(|v| v as i64)),
            // NaN is not equal to itself; codecs are tested on all bit patterns elsewhere.
            ColumnMut::F64(out) => {
                out.extend(values.map(f64::from_bits).map(|v| if v.is_nan() { 0.5 } else { v }));
            }
        }
    }
}

fn values(
    rows: usize,
    spec: &ColumnSpec,
    lens: &[(Reference, usize)],
    rng: &mut TestRng,
) -> impl Iterator<Item = u64> {
    let (character, base) = (rng.next_u32() % 8, rng.next_u64());
    let shift = rng.next_u32() % 64;
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_of(base));
    let mut running = base;
    let len = len_of(spec.reference, lens);
    let default = spec.default_bits;
    (0..rows).map(move |row| {
        if let Some(len) = len {
            return match rng.next_u64() % (len as u64 + 1) {
                0 => u64::from(NONE_U32),
                n => n - 1,
            };
        }
        match character {
            0 => base,
            1 => default,
            2 => rng.next_u64(),
            3 => rng.next_u64() >> shift,
            4 => base.wrapping_add(row as u64),
            5 => {
                running = running.wrapping_add(rng.next_u64() >> shift);
                running
            }
            6 => [default, base, 0, u64::MAX, 1 << 63][(rng.next_u32() % 5) as usize],
            _ => (base >> shift).wrapping_add(rng.next_u64() % 40),
        }
    })
}

fn seed_of(n: u64) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    bytes
}

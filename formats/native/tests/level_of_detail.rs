//! The pyramid against going through all events.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;

use proptest::prelude::*;
use underspan_model::tables::{Kernel, TableKind};
use underspan_model::{Interval, Timeline, TimestampNs};
use underspan_native::{
    Cell, Pyramid, ReadOptions, Reader, TimelinePyramid, WriteOptions, write_timeline,
};

/// Kernels on three streams: bursts, gaps, a few long ones; on stream 2 they overlap.
fn kernels(n: usize, seed: u64) -> Timeline {
    let mut state = seed | 1;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 33) % below
    };
    let mut timeline = Timeline::new();
    for _ in 0..3 {
        timeline.dimensions.streams.push(Default::default());
    }
    for n in 0..9 {
        let name = timeline.strings.intern(&format!("kernel {n}"));
        timeline.shapes.intern(underspan_model::KernelShape::named(name));
    }
    let mut ends = [1_000_000i64; 3];
    for _ in 0..n {
        let stream = [0, 0, 0, 0, 1, 2][random(6) as usize];
        let gap = if random(40) == 0 { random(200_000) } else { random(300) } as i64;
        let duration_ns = if random(100) == 0 { random(100_000) } else { random(4000) };
        let start_ns = match stream {
            2 => ends[2] + gap - random(2000) as i64,
            _ => ends[stream] + gap,
        };
        ends[stream] = start_ns + duration_ns as i64;
        let shape = random(9) as u32;
        timeline.kernels.push(Kernel {
            start_ns,
            duration_ns,
            stream: stream as u32,
            shape,
            ..Kernel::default()
        });
    }
    timeline.sort();
    timeline
}

fn interval(start: i64, end: i64) -> Interval {
    Interval::new(TimestampNs::from_ns(start), TimestampNs::from_ns(end))
}

/// What must hold for the cells of a stream, told by all its events.
fn check(timeline: &Timeline, stream: u32, range: Interval, n_pixels: u32, cells: &[Cell]) {
    let (start, end) = (range.start().as_ns(), range.end().as_ns());
    let pixel_ns = (end - start) as f64 / f64::from(n_pixels);
    let mut n_in_range = 0;
    let mut n_wide = 0;
    let mut ran_until = i64::MIN;
    let mut busy = 0;
    for (row, kernel) in timeline.kernels.iter().enumerate().filter(|(_, k)| k.stream == stream) {
        let until = kernel.start_ns + kernel.duration_ns as i64;
        let (from, to) = (kernel.start_ns.max(start).max(ran_until), until.min(end));
        busy += (to - from).max(0);
        ran_until = ran_until.max(until);
        if kernel.start_ns >= end || !(until > start || kernel.start_ns >= start) {
            continue;
        }
        n_in_range += 1;
        let visible = until.min(end) - kernel.start_ns.max(start);
        let cell = cells.iter().find(|cell| cell.row == Some(row as u64));
        if visible as f64 > pixel_ns {
            n_wide += 1;
            let cell = cell.expect("an event wider than a pixel has a cell of its own");
            assert_eq!((cell.start_ns, cell.end_ns), (kernel.start_ns, until));
            assert_eq!((cell.dominant, cell.events), (kernel.shape, 1));
        } else {
            assert!(cell.is_none(), "a narrow event alone");
        }
    }
    assert_eq!(cells.iter().map(|cell| cell.events).sum::<u64>(), n_in_range);
    assert_eq!(cells.iter().filter(|cell| cell.row.is_some()).count(), n_wide);
    assert!(cells.len() <= n_wide + n_pixels as usize);
    assert!(cells.is_sorted_by_key(|cell| cell.first_pixel));
    for cell in cells {
        assert!(cell.first_pixel <= cell.last_pixel && cell.last_pixel < n_pixels);
        let width = f64::from(cell.last_pixel - cell.first_pixel + 1) * pixel_ns;
        assert!(cell.busy_ns as f64 <= width + 1.0);
    }
    // Where events overlap, the busy time of cells is that of their own events.
    if stream != 2 {
        let drawn: u64 = cells.iter().map(|cell| cell.busy_ns).sum();
        let tolerance = 0.01 * busy as f64 + f64::from(n_pixels) + 2.0 * pixel_ns;
        assert!((drawn as f64 - busy as f64).abs() <= tolerance, "{drawn} for {busy}");
    }
}

fn queries() -> impl Strategy<Value = Vec<(f64, f64, u32)>> {
    let zoom = (0.0..1.0f64, 0.0..4.0f64, 1..400u32);
    let zoom = zoom.prop_map(|(at, zoom, n_pixels)| (at, 10f64.powf(-zoom), n_pixels));
    prop::collection::vec(zoom, 12)
}

fn range_of(timeline: &Timeline, at: f64, share: f64) -> Interval {
    let (first, last) = match timeline.kernels.start_ns.as_slice() {
        [] => (0, 1000),
        starts => (starts[0] - 500, starts[starts.len() - 1] + 5000),
    };
    let length = (((last - first) as f64 * share) as i64).max(10);
    let start = first + ((last - first - length) as f64 * at) as i64;
    interval(start, start + length)
}

fn write(folder: &Path, timeline: &Timeline, rows_per_chunk: u32, level_of_detail: bool) -> Reader {
    let path = folder.join(format!("{level_of_detail}.uspan"));
    let options = WriteOptions { rows_per_chunk, level_of_detail, ..WriteOptions::default() };
    write_timeline(&path, timeline, &options).unwrap();
    Reader::open(&path, &ReadOptions::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_event_of_a_timeline_is_drawn_once(
        n in 0..6000usize, seed: u64, queries in queries(),
    ) {
        let timeline = kernels(n, seed);
        let pyramid = TimelinePyramid::new(&timeline);
        let mut cells = Vec::new();
        for track in pyramid.tracks() {
            prop_assert_eq!(track.track().kind, TableKind::Kernel);
            for (at, share, n_pixels) in &queries {
                let range = range_of(&timeline, *at, *share);
                track.cells(&timeline, range, *n_pixels, &mut cells);
                check(&timeline, track.track().key, range, *n_pixels, &cells);
            }
        }
    }

    #[test]
    fn every_event_of_a_file_is_drawn_once(
        // Small tables have no stored leaves.
        n in prop_oneof![0..3000usize, 8192..16000usize],
        seed: u64,
        rows_per_chunk in 200..6000u32,
        queries in queries(),
    ) {
        let timeline = kernels(n, seed);
        let folder = tempfile::tempdir().unwrap();
        let reader = write(folder.path(), &timeline, rows_per_chunk, true);
        let bare = write(folder.path(), &timeline, rows_per_chunk, false);
        let (pyramid, rebuilt) = (Pyramid::open(&reader).unwrap(), Pyramid::open(&bare).unwrap());
        let tracks: Vec<_> = pyramid.tracks().cloned().collect();
        prop_assert_eq!(&tracks, &rebuilt.tracks().cloned().collect::<Vec<_>>());
        let (mut cells, mut others) = (Vec::new(), Vec::new());
        for (at, track) in tracks.iter().enumerate() {
            for (place, share, n_pixels) in &queries {
                let range = range_of(&timeline, *place, *share);
                // What is needed is guessed from the level above: once for each level below.
                for _ in 0..3 {
                    for chunk in pyramid.cells(at, range, *n_pixels, 1, &mut cells).missing {
                        pyramid.load(&reader, chunk).unwrap();
                    }
                    for chunk in rebuilt.cells(at, range, *n_pixels, 1, &mut others).missing {
                        rebuilt.load(&bare, chunk).unwrap();
                    }
                }
                prop_assert!(pyramid.cells(at, range, *n_pixels, 1, &mut cells).is_complete());
                check(&timeline, track.key, range, *n_pixels, &cells);
                rebuilt.cells(at, range, *n_pixels, 1, &mut others);
                prop_assert_eq!(&cells, &others);
            }
        }
    }
}

#[test]
fn what_is_not_loaded_is_drawn_coarsely_and_asked_for() {
    let timeline = kernels(5000, 3);
    let folder = tempfile::tempdir().unwrap();
    let reader = write(folder.path(), &timeline, 1000, true);
    let pyramid = Pyramid::open(&reader).unwrap();
    let whole = range_of(&timeline, 0.0, 1.0);
    let mut cells = Vec::new();
    let coverage = pyramid.cells(0, whole, 4000, 1, &mut cells);
    assert!(!coverage.is_complete());
    assert!(cells.iter().all(|cell| cell.row.is_none()));
    let n_events: u64 = cells.iter().map(|cell| cell.events).sum();
    assert_eq!(n_events, pyramid.tracks().next().unwrap().events);
}

#[test]
fn what_is_spread_stays_within_the_tolerance() {
    let timeline = kernels(40_000, 5);
    let folder = tempfile::tempdir().unwrap();
    let reader = write(folder.path(), &timeline, 4096, true);
    let (exact, blunt) = (Pyramid::open(&reader).unwrap(), Pyramid::open(&reader).unwrap());
    let whole = range_of(&timeline, 0.0, 1.0);
    let (n_pixels, tolerance) = (150, 4);
    let (mut cells, mut spread) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        for chunk in exact.cells(0, whole, n_pixels, 1, &mut cells).missing {
            exact.load(&reader, chunk).unwrap();
        }
    }
    assert!(exact.cells(0, whole, n_pixels, 1, &mut cells).is_complete());
    let strict = blunt.cells(0, whole, n_pixels, 1, &mut spread).missing.len();
    let missing = blunt.cells(0, whole, n_pixels, tolerance, &mut spread).missing.len();
    assert!(missing < strict / 2, "{missing} of {strict}");
    let n_events = |cells: &[Cell]| cells.iter().map(|cell| cell.events).sum::<u64>();
    assert_eq!(n_events(&cells), n_events(&spread));
    // What was busy up to a pixel, and how many events there were, is off by less than it.
    let pixel_ns = whole.duration().as_ns() / u64::from(n_pixels);
    let until = |cells: &[Cell], pixel: u32| {
        let cells = cells.iter().filter(|cell| cell.last_pixel <= pixel);
        cells.map(|cell| cell.busy_ns as i64).sum::<i64>()
    };
    for chunk in blunt.cells(0, whole, n_pixels, tolerance, &mut spread).missing {
        blunt.load(&reader, chunk).unwrap();
    }
    blunt.cells(0, whole, n_pixels, tolerance, &mut spread);
    for pixel in 0..n_pixels {
        let off = (until(&cells, pixel) - until(&spread, pixel)).unsigned_abs();
        assert!(off <= u64::from(tolerance) * pixel_ns, "{off} at {pixel}");
    }
}

#[test]
fn an_event_alone_in_its_chunk_can_be_told_from_a_node() {
    let mut timeline = kernels(3000, 7);
    let stream = timeline.dimensions.streams.len() as u32;
    timeline.dimensions.streams.push(Default::default());
    let start_ns = timeline.kernels.start_ns[1500];
    timeline.kernels.push(Kernel { start_ns, duration_ns: 90_000, stream, ..Kernel::default() });
    timeline.sort();
    let folder = tempfile::tempdir().unwrap();
    let reader = write(folder.path(), &timeline, 500, true);
    let pyramid = Pyramid::open(&reader).unwrap();
    let at = pyramid.tracks().position(|track| track.key == stream).unwrap();
    let mut cells = Vec::new();
    let range = interval(start_ns - 1000, start_ns + 100_000);
    for chunk in pyramid.cells(at, range, 100, 1, &mut cells).missing {
        pyramid.load(&reader, chunk).unwrap();
    }
    assert!(pyramid.cells(at, range, 100, 1, &mut cells).is_complete());
    let rows: Vec<_> = cells.iter().map(|cell| (cell.row.is_some(), cell.events)).collect();
    assert_eq!(rows, [(true, 1)]);
}

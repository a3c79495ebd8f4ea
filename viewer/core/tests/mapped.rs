//! Captures that stay in their file: drawn, analyzed and searched like those in memory.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use underspan_engine::trace_builder::TraceBuilder;
use underspan_native::{WriteOptions, write_timeline};
use underspan_viewer_core::{
    Command, Document, OpenOptions, OpenProgress, Stage, Viewer, open, open_with,
};

use support::{CULPRIT, planted_file};

/// Generous: a test machine may be busy with much else.
const PATIENCE: Duration = Duration::from_secs(60);

fn mapped(path: &std::path::Path, analysis_bytes: Option<u64>) -> Document {
    let mut options = OpenOptions::default();
    (options.in_memory_events, options.analysis_bytes) = (0, analysis_bytes);
    let document =
        open_with(&[path.to_owned()], &OpenProgress::default(), &options).expect("it opens");
    assert!(!document.is_in_memory());
    document
}

/// Twenty thousand kernels with their calls, in chunks of a thousand.
fn long_file() -> (tempfile::TempDir, std::path::PathBuf) {
    let mut trace = TraceBuilder::new();
    for at in 0..20_000 {
        let start = at * 1000;
        trace.launch("kernel", start..start + 100, start + 200..start + 200 + (at * 7) % 700);
    }
    let mut timeline = trace.build();
    timeline.sort();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("long.uspan");
    let options = WriteOptions { rows_per_chunk: 1000, ..WriteOptions::default() };
    write_timeline(&path, &timeline, &options).expect("the file is written");
    (folder, path)
}

/// Draws frames until something is so.
fn until(stage: &mut Stage, viewer: &mut Viewer, is_so: impl Fn(&Viewer) -> bool) {
    let began = Instant::now();
    while !is_so(viewer) {
        assert!(began.elapsed() < PATIENCE, "it never comes");
        stage.frame(viewer, Vec::new());
        std::thread::yield_now();
    }
}

#[test]
fn the_same_is_drawn_from_a_file_as_from_memory() {
    let (_folder, path) = long_file();
    let in_memory = open(std::slice::from_ref(&path), &OpenProgress::default()).unwrap();
    let mapped = mapped(&path, None);
    let whole = in_memory.bounds();
    assert_eq!(mapped.bounds(), whole);
    for (zoom, n_pixels) in [(1.0, 50), (1.0, 2000), (0.1, 700), (0.001, 2000)] {
        for place in [0.0, 0.4, 1.0 - zoom] {
            let start = whole.at_fraction(place);
            let end = start + (whole.len_ns() as f64 * zoom) as i64;
            let window = underspan_viewer_core::TimeRange::from_ns(start, end);
            let expected = in_memory.count_bars(window, n_pixels, true);
            assert_eq!(mapped.count_bars(window, n_pixels, true), expected, "{zoom} {place}");
        }
    }
}

#[test]
fn a_mapped_capture_is_analyzed_and_leads_to_the_culprit() {
    let (_folder, path) = planted_file();
    let mut viewer = Viewer::inline();
    viewer.show(Arc::new(mapped(&path, None)));
    let mut stage = Stage::new([1600.0, 900.0], 1.0);
    stage.settle(&mut viewer);
    viewer.apply(Command::SelectSlowest);
    viewer.apply(Command::ShowFinding(0));
    stage.settle(&mut viewer);
    let event = viewer.selected_event().expect("the evidence of the finding");
    viewer.apply(Command::SearchExactly(CULPRIT.to_owned()));
    viewer.apply(Command::SelectRange(event.range()));
    stage.settle(&mut viewer);
    let names = &viewer.range_statistics().unwrap().names;
    assert!(names.iter().any(|of| of.text == CULPRIT && of.count == 1), "{names:?}");
}

#[test]
fn what_does_not_fit_in_memory_keeps_its_requests_and_says_so() {
    let (_folder, path) = planted_file();
    let mut viewer = Viewer::inline();
    viewer.show(Arc::new(mapped(&path, Some(1000))));
    let mut stage = Stage::new([1600.0, 900.0], 1.0);
    stage.settle(&mut viewer);
    viewer.apply(Command::SelectSlowest);
    assert!(viewer.selected_request().is_some());
    let notes = viewer.analysis_notes().join(" ");
    assert!(notes.contains("takes about 39.4 KiB of memory, and 1000 B may be used"), "{notes}");
    viewer.apply(Command::CompareWith(vec![path]));
    stage.settle(&mut viewer);
}

#[test]
fn a_window_draws_what_it_has_at_once_and_ends_with_full_detail() {
    let (_folder, path) = long_file();
    let mut viewer = Viewer::new(|| {});
    viewer.show(Arc::new(mapped(&path, None)));
    let mut stage = Stage::new([1600.0, 900.0], 1.0);
    until(&mut stage, &mut viewer, Viewer::has_drawn_view);
    for factor in [0.1, 0.1, 0.1, 1000.0] {
        viewer.apply(Command::Zoom { factor, anchor_ns: None });
        stage.frame(&mut viewer, Vec::new());
        until(&mut stage, &mut viewer, Viewer::has_drawn_finest);
    }
    until(&mut stage, &mut viewer, |viewer| !viewer.is_busy() && viewer.n_jobs() == 0);
    assert!(viewer.view().unwrap().encloses(viewer.document().unwrap().bounds()));
}

#[test]
fn whatever_is_cancelled_ends() {
    let (_folder, path) = long_file();
    let mut viewer = Viewer::new(|| {});
    viewer.show(Arc::new(mapped(&path, None)));
    let mut stage = Stage::new([1600.0, 900.0], 1.0);
    until(&mut stage, &mut viewer, |viewer| !viewer.is_busy());
    let whole = viewer.document().unwrap().bounds();
    for (begin, end) in [
        (Command::SelectRange(whole), Command::ClearSelection),
        (Command::SelectRange(whole), Command::Escape),
        (Command::NextOccurrence, Command::ClearSelection),
        (Command::Open(vec![path.clone()]), Command::CancelOpening),
        (Command::Zoom { factor: 0.1, anchor_ns: None }, Command::ShowAll),
        (Command::CompareWith(vec![path.clone()]), Command::Close),
    ] {
        viewer.apply(begin);
        viewer.apply(end);
        let began = Instant::now();
        while viewer.n_jobs() > 0 {
            assert!(began.elapsed() < PATIENCE, "it goes on");
            std::thread::yield_now();
        }
        stage.frame(&mut viewer, Vec::new());
        assert!(viewer.range_statistics().is_none());
    }
    assert!(viewer.document().is_none());
}

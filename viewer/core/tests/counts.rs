//! Every event is drawn or counted as not drawn, in memory and in a mapped file, on real traces too.

mod support;

use std::path::{Path, PathBuf};

use underspan_engine::trace_builder::TraceBuilder;
use underspan_model::tables::TableKind;
use underspan_viewer_core::{Document, OpenProgress, open};

/// Events of the tables that have rows on the timeline.
fn n_drawable(document: &Document) -> u64 {
    let timeline = document.timeline();
    let kinds = [
        TableKind::Kernel,
        TableKind::Memcpy,
        TableKind::Memset,
        TableKind::Sync,
        TableKind::GraphLaunch,
        TableKind::ApiCall,
        TableKind::Overhead,
        TableKind::Annotation,
        TableKind::CpuOp,
        TableKind::Span,
        TableKind::Step,
    ];
    kinds.iter().map(|kind| timeline.table(*kind).len() as u64).sum()
}

fn assert_all_counted(document: &Document, name: &str) {
    for n_pixels in [1, 300, 2000, 100_000] {
        let count = document.count_bars(document.bounds().padded(0.01), n_pixels, true);
        assert_eq!(count.n_events + count.n_left_out, n_drawable(document), "{name} {n_pixels}");
    }
}

#[test]
fn no_event_is_lost_where_many_overlap() {
    let mut trace = TraceBuilder::new();
    for at in 0..200 {
        trace.launch("overlapping", at..at + 1, at * 10..100_000 - at * 10);
        trace.launch("empty", at..at, at..at);
    }
    let mut timeline = trace.build();
    timeline.sort();
    let document = Document::in_memory(Vec::new(), timeline).unwrap();
    assert_all_counted(&document, "overlapping");
    let count = document.count_bars(document.bounds(), 2000, true);
    assert!(count.n_left_out > 0, "200 kernels at once are more than there are lanes");
}

#[test]
fn the_planted_server_is_drawn_whole() {
    let (_folder, path) = support::planted_file();
    let document = open(&[path], &OpenProgress::default()).unwrap();
    assert_all_counted(&document, "planted");
}

#[test]
fn real_traces_are_drawn_whole() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/kineto");
    let Ok(entries) = std::fs::read_dir(&corpus) else {
        println!("skipped: the corpus of real traces is not beside this repository");
        return;
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut n_opened = 0;
    for path in paths {
        // Small ones: the point is their variety.
        if std::fs::metadata(&path).map_or(0, |of| of.len()) > 3_000_000 {
            continue;
        }
        let name = path.display().to_string();
        if let Ok(document) = open(&[path], &OpenProgress::default()) {
            assert_all_counted(&document, &name);
            n_opened += 1;
        }
    }
    assert!(n_opened >= 5, "{n_opened}");
}

//! Folders as an operator hands them over (`../shared/captures`), and the metrics of real engines,
//! import whole: every file is read, each on the clock it states.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::tables::CounterKind;
use underspan_model::{ClockDomain, NONE_I64, ProblemKind, StringId, Timeline, Trust};

fn shared() -> Option<PathBuf> {
    Some(support::corpus()?.parent()?.to_owned())
}

fn text(timeline: &Timeline, id: u32) -> String {
    timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
}

fn property(timeline: &Timeline, key: &str) -> Option<String> {
    let rows = timeline.dimensions.properties.iter();
    rows.filter(|p| text(timeline, p.key) == key).map(|p| text(timeline, p.value)).last()
}

/// Values of the track of this name, in order of time.
fn values(timeline: &Timeline, track: &str) -> Vec<(i64, f64)> {
    let tracks = timeline.dimensions.counter_tracks.iter().enumerate();
    let ids: BTreeSet<u32> = tracks
        .filter(|(_, row)| text(timeline, row.name) == track)
        .map(|(id, _)| id as u32)
        .collect();
    let rows = timeline.counters.iter().filter(|row| ids.contains(&row.track));
    rows.map(|row| (row.time_ns, row.value)).collect()
}

fn import_folder(folder: &Path) -> Timeline {
    let imported = import_paths(&[folder.to_owned()], &ImportOptions::default(), &NoProgress)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let skipped: Vec<_> = imported.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(skipped, Vec::<String>::new());
    let n_files = std::fs::read_dir(folder).expect("a folder").count();
    assert_eq!(imported.read.len(), n_files);
    imported.timeline
}

#[test]
fn whole_folders_import_on_the_wall_clock() {
    let Some(shared) = shared() else { return };
    for (name, n_spans, n_steps, has_metrics) in
        [("pytorch", 1200, 0, false), ("vllm", 1200, 0, true), ("triton", 1760, 1, true)]
    {
        let timeline = import_folder(&shared.join("captures").join(name));
        assert_eq!(timeline.info.clock, ClockDomain::Realtime, "{name}");
        assert_eq!(timeline.spans.len(), n_spans, "{name}");
        assert_eq!(timeline.steps.is_empty(), n_steps == 0, "{name}");
        assert!(!timeline.kernels.is_empty(), "{name}");
        assert_eq!(timeline.problems.trust(), Trust::Full, "{name}: {:?}", timeline.problems);
        // All that has a time lies within the run.
        let (start, end) = timeline.spans.time_bounds_ns();
        for (time_ns, value) in values(&timeline, "clocks.current.sm") {
            assert!((start - 60_000_000_000..end + 60_000_000_000).contains(&time_ns), "{name}");
            assert!((100.0..3000.0).contains(&value), "{name}");
        }
        assert!(!values(&timeline, "clocks_event_reasons.active").is_empty(), "{name}");
        assert!(!values(&timeline, "pmon.sm").is_empty(), "{name}");
        assert!(property(&timeline, "declared.model.name").is_some(), "{name}");
        let has_counters = timeline.dimensions.counter_tracks.iter().any(|track| {
            let name = text(&timeline, track.name);
            name.starts_with("vllm:") || name.starts_with("nv_")
        });
        assert_eq!(has_counters, has_metrics, "{name}");
        println!(
            "{name}: {} kernels, {} spans, {} steps, {} counter samples",
            timeline.kernels.len(),
            timeline.spans.len(),
            timeline.steps.len(),
            timeline.counters.len()
        );
    }
}

trait TimeBounds {
    fn time_bounds_ns(&self) -> (i64, i64);
}

impl TimeBounds for underspan_model::tables::SpanTable {
    fn time_bounds_ns(&self) -> (i64, i64) {
        underspan_model::tables::Table::time_bounds(self).expect("spans")
    }
}

#[test]
fn triton_stamps_meet_their_callers_through_the_clock_file() {
    let Some(shared) = shared() else { return };
    let timeline = import_folder(&shared.join("captures/triton"));
    assert_eq!(property(&timeline, "clock.recorded").as_deref(), Some("monotonic"));
    let anchor = timeline.dimensions.clock_anchors.iter().last().expect("an anchor");
    let delta = anchor.realtime_ns - anchor.monotonic_ns;
    assert_eq!(property(&timeline, "clock.moved_by_ns"), Some(delta.to_string()));
    assert_eq!(anchor.activity_ns, NONE_I64);
    // Every request's work in the server lies within the call that carries its id.
    let named = |name: &str| timeline.strings.find(name).map_or(u32::MAX, |id| id.raw());
    let (call, request) = (named("POST"), named("InferRequest"));
    let calls: std::collections::HashMap<u32, _> = timeline
        .spans
        .iter()
        .filter(|span| span.name == call)
        .map(|span| (span.request, span.interval()))
        .collect();
    let mut n_joined = 0;
    for span in timeline.spans.iter().filter(|span| span.name == request) {
        let Some(outer) = calls.get(&span.request) else { continue };
        let inner = span.interval();
        assert!(outer.start() <= inner.start() && inner.end() <= outer.end());
        n_joined += 1;
    }
    assert_eq!(n_joined, 440);
}

#[test]
fn scrapes_of_real_engines_become_tracks() {
    let Some(shared) = shared() else { return };
    let engines = shared.join("engines");
    let mut n_files = 0;
    for folder in ["vllm/metrics", "sglang/metrics", "hf-continuous-batching/metrics"] {
        for entry in std::fs::read_dir(engines.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let timeline = support::import(&path).unwrap_or_else(|e| panic!("{e}"));
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let stamp: i64 = name.rsplit('_').next().expect("digits").parse().expect("digits");
            assert!(timeline.counters.time_ns.iter().all(|time| *time == stamp), "{name}");
            assert_eq!(timeline.info.clock, ClockDomain::Realtime);
            assert_eq!(timeline.problems.trust(), Trust::Full, "{name}: {:?}", timeline.problems);
            // Every sample line of the file is a row, but for those whose news is in labels.
            let text = std::fs::read_to_string(&path).expect("text");
            let is_sample = |line: &&str| !line.starts_with('#') && !line.trim().is_empty();
            let metric = |line: &str| line.split(['{', ' ']).next().unwrap_or("").to_owned();
            let n_samples = text
                .lines()
                .filter(is_sample)
                .filter(|line| !metric(line).ends_with("_info") && !line.ends_with("NaN"))
                .count();
            let n_nan = text.lines().filter(is_sample).filter(|line| line.ends_with("NaN")).count();
            let unusable = timeline.problems.count(ProblemKind::UnusableField);
            assert_eq!(unusable, n_nan as u64, "{name}");
            assert_eq!(timeline.counters.len(), n_samples, "{name}");
            assert_eq!(timeline.dimensions.counter_tracks.len(), n_samples, "{name}");
            n_files += 1;
        }
    }
    assert_eq!(n_files, 11);
    let triton = support::import(&engines.join("triton/metrics_1.txt")).expect("imports");
    assert_eq!(triton.info.clock, ClockDomain::SourceRelative);
    assert_eq!(triton.problems.count(ProblemKind::MissingEvidence), triton.counters.len() as u64);
    let exporter = shared.join("corpus/nvidia_smi");
    for entry in std::fs::read_dir(exporter).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "metrics") {
            let timeline = support::import(&path).expect("imports");
            assert!(timeline.counters.len() > 100);
            assert_eq!(timeline.dimensions.devices.len(), 1);
        }
    }
}

#[test]
fn histograms_stay_cumulative() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("engines/vllm/metrics");
    let file = std::fs::read_dir(folder).expect("a folder").next().expect("a file").expect("it");
    let timeline = support::import(&file.path()).expect("imports");
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    let mut count = None;
    for row in timeline.counters.iter() {
        let track = timeline.dimensions.counter_tracks.get(row.track as usize).expect("a track");
        let name = text(&timeline, track.name);
        if name.starts_with("vllm:time_to_first_token_seconds_bucket{") {
            assert_eq!(track.kind, CounterKind::HistogramBucket.code());
            let bound = name.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
            let bound = bound.expect("a bound").parse().expect("a number");
            buckets.push((bound, row.value));
        }
        if name.starts_with("vllm:time_to_first_token_seconds_count") {
            count = Some(row.value);
        }
        if name.starts_with("vllm:time_to_first_token_seconds_sum") {
            assert_eq!(text(&timeline, track.unit), "s");
        }
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    assert_eq!(buckets.last().map(|(bound, n)| (*bound, Some(*n))), Some((f64::INFINITY, count)));
}

#[test]
fn spans_steps_and_counters_survive_a_capture_file() {
    let Some(shared) = shared() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    for (name, timeline) in [
        ("triton", import_folder(&shared.join("captures/triton"))),
        (
            "sglang",
            support::import(&shared.join("engines/sglang/otlp_traces.json.gz")).expect("it"),
        ),
    ] {
        let path = dir.path().join(format!("{name}.uspan"));
        let options = underspan_native::WriteOptions::default();
        underspan_native::write_timeline(&path, &timeline, &options).expect("written");
        let read = support::import(&path).expect("reads back");
        assert_eq!(read.spans, timeline.spans, "{name}");
        assert_eq!(read.span_attributes, timeline.span_attributes, "{name}");
        assert_eq!(read.span_events, timeline.span_events, "{name}");
        assert_eq!(read.span_links, timeline.span_links, "{name}");
        assert_eq!(read.steps, timeline.steps, "{name}");
        assert_eq!(read.step_members, timeline.step_members, "{name}");
        assert_eq!(read.counters, timeline.counters, "{name}");
        assert_eq!(read.dimensions, timeline.dimensions, "{name}");
        assert_eq!(read.info, timeline.info, "{name}");
    }
}

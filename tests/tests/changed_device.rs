//! What a change of the device alone does to the verdict: the same run with another device.

use underspan_detectors::{Case, Detection, Verdict};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::tables::Table;
use underspan_model::{ColumnMut, Timeline};

fn healthy(sample: &str) -> Timeline {
    let path = format!("{}/../sample-traces/{sample}", env!("CARGO_MANIFEST_DIR"));
    let imported = import_paths(&[path.into()], &ImportOptions::default(), &NoProgress);
    imported.expect("a sample").timeline
}

fn verdict(timeline: &Timeline, baseline: Option<&Timeline>) -> Verdict {
    let run = |timeline: &Timeline| {
        let analysis = Analysis::of(timeline, &AnalysisOptions::default());
        let requests = Requests::of(timeline, &analysis, &RequestOptions::default());
        (analysis, requests)
    };
    let (now, then) = (run(timeline), baseline.map(run));
    let mut case = Case::of(timeline, &now.0, &now.1);
    if let Some((timeline, then)) = baseline.zip(then.as_ref()) {
        case = case.with_baseline(Case::of(timeline, &then.0, &then.1));
    }
    Verdict::of(&case)
}

/// Lets everything take half as long again.
fn slow_down(table: &mut dyn Table, first: i64) {
    let specs = table.specs();
    for (spec, column) in specs.iter().zip(table.columns_mut()) {
        match (spec.name, column) {
            ("start_ns" | "time_ns", ColumnMut::I64(times)) => {
                times.iter_mut().for_each(|time| *time = first + (*time - first) / 2 * 3);
            }
            ("duration_ns", ColumnMut::U64(lengths)) => {
                lengths.iter_mut().for_each(|length| *length = *length / 2 * 3);
            }
            _ => {}
        }
    }
}

#[test]
fn kernels_of_the_same_shape_that_take_longer_are_no_waste() {
    let then = healthy("healthy-triton");
    let mut now = then.clone();
    let first = then.spans.start_ns.iter().copied().min().expect("spans");
    now.tables_mut().into_iter().for_each(|table| slow_down(table, first));
    let verdict = verdict(&now, Some(&then));
    assert_eq!((verdict.kind.as_str(), verdict.top_cause), ("inconclusive", None));
    let reasons = verdict.reasons.join("\n");
    assert!(reasons.contains("launch shape take 1.50 times as long"), "{reasons}");
}

#[test]
fn long_kernels_on_two_blocks_leave_the_device_empty() {
    let mut few = healthy("healthy-pytorch");
    let is_found = |timeline: &Timeline| {
        matches!(verdict(timeline, None).detection("D9"), Some(Detection::Found(_)))
    };
    assert!(!is_found(&few));
    let shapes: Vec<_> = few.shapes.as_slice().to_vec();
    let shapes: Vec<u32> = shapes
        .into_iter()
        .map(|mut shape| {
            shape.grid = [2, 1, 1];
            few.shapes.intern(shape).raw()
        })
        .collect();
    few.kernels.shape.iter_mut().for_each(|shape| *shape = shapes[*shape as usize]);
    assert!(is_found(&few));
}

#[test]
fn a_capture_without_device_work_is_not_said_to_be_well() {
    let mut blind = healthy("healthy-triton");
    blind.kernels = Default::default();
    blind.memcpys = Default::default();
    blind.memsets = Default::default();
    let verdict = verdict(&blind, None);
    assert_eq!(verdict.kind.as_str(), "inconclusive");
    assert!(verdict.reasons.iter().any(|reason| reason.contains("no work of a GPU")));
}

#[test]
fn what_took_as_much_in_the_baseline_is_told_and_not_blamed() {
    let held = healthy("d02-batch-delay");
    assert_eq!(verdict(&held, None).top_cause, Some("D2"));
    let as_before = verdict(&held, Some(&held));
    assert_eq!((as_before.kind.as_str(), as_before.top_cause), ("none", None));
    assert!(as_before.causes.is_empty() && as_before.counterfactual_p95.is_none());
    let told = as_before.caveats.join("\n");
    assert!(told.contains("D2 takes") && told.contains("which is that of the baseline"), "{told}");
}

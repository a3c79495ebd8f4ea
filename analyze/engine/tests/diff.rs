//! What changed between two captures.

use underspan_classifier::Dtype;
use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Analysis, AnalysisOptions, CaptureDiff, Side};
use underspan_model::tables::AnnotationKind;
use underspan_model::{KernelShape, NONE_U32, Timeline};

const BF16_GEMM: &str = "ampere_bf16_s16816gemm_bf16_128x64_ldg8_f2f_stages_32x6_tn";
const BF16_OTHER: &str = "nvjet_tst_128x256_64x4_2x1_v_bz_TNT";
const FP32_GEMM: &str = "ampere_sgemm_128x64_tn";
const NORM: &str = "void vllm::rms_norm_kernel<c10::BFloat16>(c10::BFloat16*, float)";
const ALLREDUCE: &str =
    "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)";

fn layers(kernels: &[(&str, i64)]) -> Timeline {
    let mut trace = TraceBuilder::new();
    let mut at = 0;
    for (name, length) in kernels.repeat(4) {
        trace.kernel(name, at..at + length, NONE_U32);
        at += length;
    }
    trace.build()
}

fn diff(before: &Timeline, after: &Timeline) -> CaptureDiff {
    let analyses = [before, after].map(|t| Analysis::of(t, &AnalysisOptions::default()));
    CaptureDiff::of(
        Side { timeline: before, analysis: &analyses[0] },
        Side { timeline: after, analysis: &analyses[1] },
    )
}

#[test]
fn a_capture_does_not_differ_from_itself() {
    let t = layers(&[(NORM, 5), (BF16_GEMM, 50), (BF16_OTHER, 30)]);
    let found = diff(&t, &t);
    assert_eq!((found.precision_changes().count(), found.fallback_share()), (0, 0.0));
    assert!(found.appeared.is_empty() && found.vanished.is_empty());
    assert!(found.matched.iter().all(|change| change.cost_ns == 0 && !change.launch_changed()));
    assert_eq!(found.kernel_time_ratio(), Some(1.0));
}

#[test]
fn a_renamed_gemm_is_the_same_gemm_and_its_new_type_is_named() {
    let before = layers(&[(NORM, 5), (BF16_GEMM, 50), (NORM, 5), (BF16_OTHER, 30)]);
    let after = layers(&[(NORM, 5), (FP32_GEMM, 200), (NORM, 5), (BF16_OTHER, 30)]);
    let found = diff(&before, &after);
    let changes: Vec<_> = found.precision_changes().collect();
    assert_eq!(changes.len(), 1);
    let change = changes[0];
    assert_eq!((change.before.name.as_str(), change.after.name.as_str()), (BF16_GEMM, FP32_GEMM));
    assert_eq!((change.before.dtype(), change.after.dtype()), (Dtype::Bf16, Dtype::Fp32));
    assert_eq!(change.cost_ns, 600);
    assert!(change.fell_back());
    assert!((found.fallback_share() - 800.0 / 920.0).abs() < 1e-9);
    let back = diff(&after, &before);
    assert_eq!(back.precision_changes().count(), 1);
    assert_eq!(back.fallback_share(), 0.0, "getting narrower is no fallback");
}

#[test]
fn what_has_no_counterpart_is_new_or_gone() {
    let before = layers(&[(BF16_GEMM, 50)]);
    let after = layers(&[(BF16_GEMM, 50), (ALLREDUCE, 10)]);
    let found = diff(&before, &after);
    assert_eq!(found.appeared.len(), 1);
    assert_eq!((found.appeared[0].name.as_str(), found.appeared[0].count), (ALLREDUCE, 4));
    assert!(found.vanished.is_empty());
    assert_eq!(diff(&after, &before).vanished.len(), 1);
}

#[test]
fn another_grid_is_a_launch_change() {
    let with_grid = |x: u32| {
        let mut trace = TraceBuilder::new();
        let name = trace.intern(BF16_GEMM);
        let shape = KernelShape { grid: [x, 1, 1], block: [128, 1, 1], ..KernelShape::named(name) };
        trace.kernel_of_shape(shape, 0..10, NONE_U32);
        trace.build()
    };
    let found = diff(&with_grid(8), &with_grid(16));
    assert!(found.matched[0].launch_changed());
    assert_eq!(
        (found.matched[0].before.grid, found.matched[0].after.grid),
        ([8, 1, 1], [16, 1, 1])
    );
}

#[test]
fn noise_is_told_from_a_shift() {
    let runs = |shift: i64, n: i64| {
        let mut trace = TraceBuilder::new();
        for at in 0..n {
            // A spread of 100 ns around 1 µs, the same in either capture but for the shift.
            let length = 1_000 + shift + (at * 37) % 100;
            let start = at * 10_000;
            trace.annotation(AnnotationKind::GpuUser, "tensorrt run", start..start + length);
        }
        trace.build()
    };
    let median = |found: &CaptureDiff| found.latencies[0].quantiles[0];
    let noise = diff(&runs(0, 200), &runs(2, 150));
    assert!(!median(&noise).is_significant(), "{noise:?}");
    let shift = diff(&runs(0, 200), &runs(80, 150));
    assert!(median(&shift).is_significant());
    assert!(!shift.latencies[0].is_sparse);
    let few = diff(&runs(0, 3), &runs(80, 200));
    assert!(few.latencies[0].is_sparse);
}

#[test]
fn one_gemm_kernel_that_became_two_is_still_one_comparison() {
    let before = layers(&[(NORM, 5), (BF16_GEMM, 50), (NORM, 5), (BF16_GEMM, 50)]);
    let after = layers(&[
        (NORM, 5),
        (BF16_OTHER, 30),
        (NORM, 5),
        ("nvjet_tst_64x16_64x16_4x1_v_bz_TNT", 40),
    ]);
    let found = diff(&before, &after);
    assert!(found.appeared.is_empty() && found.vanished.is_empty(), "{found:?}");
    let gemm = found.matched.iter().find(|change| change.before.name == BF16_GEMM);
    let gemm = gemm.expect("the pair of GEMMs");
    assert_eq!((gemm.before.count, gemm.after.count, gemm.after.n_merged), (8, 8, 1));
    assert_eq!(gemm.cost_ns, 4 * (30 + 40 - 100));
}

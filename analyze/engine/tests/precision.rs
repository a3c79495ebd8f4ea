//! The precision census: what counts as a fallback, what does not, and when nothing can be said.

use underspan_classifier::{Dtype, Role, TensorCore};
use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Declared, KernelStats, PrecisionCensus, PrecisionVerdict, WideReason};
use underspan_model::tables::Property;
use underspan_model::{NONE_U32, Timeline};

const BF16_GEMM: &str = "ampere_bf16_s16816gemm_bf16_128x64_ldg8_f2f_stages_32x6_tn";
const FP32_GEMM: &str = "ampere_sgemm_128x64_tn";
const TF32_GEMM: &str = "ampere_s1688gemm_f32f32_tf32f32_f32_128x128_tn";
const BF16_GEMV: &str =
    "void gemvNSP_kernel<__nv_bfloat16, __nv_bfloat16, __nv_bfloat16, float, 1, 32, 4, 1024>(x)";
const CAST: &str = "void at::native::unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}::operator()() const::{lambda()#7}::operator()() const::{lambda(float)#1}, std::array<char*, 2ul>, 4, TrivialOffsetCalculator<1, unsigned int>, TrivialOffsetCalculator<1, unsigned int>, at::native::memory::LoadWithCast<1>, at::native::memory::StoreWithCast<1> >(int)";
const TOPK: &str =
    "void vllm::moe::topkGatingSoftmax<4, 64, 4, 16, int>(float const*, bool const*)";

fn census(timeline: &Timeline, declared: Option<Dtype>) -> PrecisionCensus {
    let declared = declared.map(|dtype| Declared::new(dtype, "test"));
    PrecisionCensus::of(timeline, &KernelStats::of(timeline), declared)
}

/// Kernels one after the other, each of the given length.
fn run(kernels: &[(&str, i64)]) -> TraceBuilder {
    let mut trace = TraceBuilder::new();
    let mut at = 0;
    for (name, length) in kernels {
        trace.kernel(name, at..at + length, NONE_U32);
        at += length + 1;
    }
    trace
}

fn reason_of(census: &PrecisionCensus, timeline: &Timeline, name: &str) -> Option<WideReason> {
    let id = timeline.strings.find(name)?;
    census.wide.iter().find(|row| row.name == id).map(|row| row.reason)
}

#[test]
fn an_fp32_gemm_in_a_bf16_model_is_a_fallback_only_where_it_is_declared() {
    let t = run(&[(BF16_GEMM, 60), (FP32_GEMM, 40)]).build();
    let undeclared = census(&t, None);
    assert_eq!(undeclared.verdict, PrecisionVerdict::CannotTell);
    assert_eq!(undeclared.wider_than_declared.as_ns(), 0);
    assert_eq!(undeclared.fp32_simt.as_ns(), 40, "the census shows it all the same");
    let declared = census(&t, Some(Dtype::Bf16));
    assert_eq!(declared.verdict, PrecisionVerdict::Fallback);
    assert_eq!(declared.wider_than_declared.as_ns(), 40);
    assert_eq!(census(&t, Some(Dtype::Fp32)).verdict, PrecisionVerdict::AsDeclared);
}

#[test]
fn less_than_a_tenth_is_no_verdict() {
    let t = run(&[(BF16_GEMM, 91), (FP32_GEMM, 9)]).build();
    let found = census(&t, Some(Dtype::Bf16));
    assert_eq!(found.verdict, PrecisionVerdict::AsDeclared);
    assert_eq!(found.wider_than_declared.as_ns(), 9);
}

#[test]
fn casts_around_an_fp32_gemm_are_named_as_the_pattern() {
    let t = run(&[(CAST, 5), (FP32_GEMM, 40), (CAST, 5), (BF16_GEMM, 10)]).build();
    let found = census(&t, Some(Dtype::Bf16));
    assert_eq!(reason_of(&found, &t, FP32_GEMM), Some(WideReason::BetweenCasts));
    let undeclared = census(&t, None);
    assert_eq!(reason_of(&undeclared, &t, FP32_GEMM), Some(WideReason::BetweenCastsUndeclared));
    assert_eq!(undeclared.verdict, PrecisionVerdict::CannotTell);
}

#[test]
fn a_router_and_a_head_in_fp32_are_legitimate() {
    let router = run(&[(BF16_GEMM, 10), (FP32_GEMM, 40), (TOPK, 5)]).build();
    let found = census(&router, Some(Dtype::Bf16));
    assert_eq!(reason_of(&found, &router, FP32_GEMM), Some(WideReason::Router));
    assert_eq!(found.verdict, PrecisionVerdict::AsDeclared);

    let mut layers = vec![(BF16_GEMM, 10); 16];
    layers.push((FP32_GEMM, 90));
    let head = run(&layers).build();
    let found = census(&head, Some(Dtype::Bf16));
    assert_eq!(reason_of(&found, &head, FP32_GEMM), Some(WideReason::Occasional));
    assert_eq!(found.verdict, PrecisionVerdict::AsDeclared);
}

#[test]
fn a_model_without_a_vocabulary_has_no_large_head() {
    let with = |vocabulary: &str, wide: i64| {
        let mut layers = vec![(BF16_GEMM, 10); 16];
        layers.push((FP32_GEMM, wide));
        let mut trace = run(&layers);
        let t = trace.timeline_mut();
        let key = t.strings.intern("declared.model.vocab_size").raw();
        let value = t.strings.intern(vocabulary).raw();
        t.dimensions.properties.push(Property { source: 0, key, value });
        census(&trace.build(), Some(Dtype::Bf16)).verdict
    };
    assert_eq!(with("0", 90), PrecisionVerdict::Fallback);
    assert_eq!(with("0", 15), PrecisionVerdict::AsDeclared, "a head of a few classes");
    assert_eq!(with("32000", 90), PrecisionVerdict::AsDeclared);
}

#[test]
fn a_narrow_matrix_vector_product_is_never_flagged() {
    let t = run(&[(BF16_GEMV, 100)]).build();
    for declared in [None, Some(Dtype::Bf16), Some(Dtype::Fp8)] {
        let found = census(&t, declared);
        assert_eq!(found.wider_than_declared.as_ns(), 0, "{declared:?}");
        assert_ne!(found.verdict, PrecisionVerdict::Fallback);
    }
}

#[test]
fn tf32_is_reported_apart() {
    let t = run(&[(TF32_GEMM, 100)]).build();
    let found = census(&t, None);
    assert_eq!(found.tf32.as_ns(), 100);
    assert_eq!(found.fp32_simt.as_ns(), 0);
    assert_eq!(reason_of(&found, &t, TF32_GEMM), Some(WideReason::Tf32));
    assert_eq!(census(&t, Some(Dtype::Fp32)).verdict, PrecisionVerdict::AsDeclared);
    assert_eq!(census(&t, Some(Dtype::Fp16)).verdict, PrecisionVerdict::Fallback);
}

#[test]
fn operand_types_of_an_eager_launch_explain_replays_of_the_same_kernel() {
    let name = "triton_tem_fused_mm_3";
    let mut trace = TraceBuilder::new();
    trace.cpu_op("aten::mm", 0..50, 77).kernel(name, 10..30, NONE_U32);
    trace.kernel(name, 40..60, NONE_U32);
    let t = trace.timeline_mut();
    t.kernels.external_id[0] = 77;
    t.cpu_ops.input_types[0] =
        t.strings.intern(r#"["c10::BFloat16", "c10::BFloat16", "Scalar"]"#).raw();
    let t = trace.build();
    let found = census(&t, Some(Dtype::Bf16));
    let row = &found.classes[0];
    assert_eq!((row.role, row.dtype, row.tensor_core), (Role::Gemm, Dtype::Bf16, TensorCore::Yes));
    assert_eq!((row.count, row.total.as_ns()), (2, 40));
    assert_eq!(found.matmul_unknown.as_ns(), 0);
}

#[test]
fn mostly_unknown_types_forbid_a_clean_bill() {
    let t = run(&[("triton_tem_fused_mm_3", 50), (BF16_GEMM, 50)]).build();
    let found = census(&t, Some(Dtype::Bf16));
    assert_eq!(found.matmul_unknown.as_ns(), 50);
    assert_eq!(found.verdict, PrecisionVerdict::CannotTell);
}

#[test]
fn a_declaration_within_the_capture_counts() {
    let mut trace = run(&[(FP32_GEMM, 100)]);
    let t = trace.timeline_mut();
    let (key, value) =
        (t.strings.intern("declared.model.declared_dtype"), t.strings.intern("bfloat16"));
    t.dimensions.properties.push(Property { source: 0, key: key.raw(), value: value.raw() });
    let t = trace.build();
    assert_eq!(census(&t, None).verdict, PrecisionVerdict::Fallback);
    assert_eq!(census(&t, Some(Dtype::Fp32)).verdict, PrecisionVerdict::AsDeclared, "a flag wins");
}

#[test]
fn a_prefill_that_fell_back_among_many_decode_steps_is_not_excused() {
    let mut kernels = vec![(BF16_GEMM, 10); 64];
    kernels.extend([(FP32_GEMM, 200); 4]);
    let t = run(&kernels).build();
    let found = census(&t, Some(Dtype::Bf16));
    assert_eq!(reason_of(&found, &t, FP32_GEMM), Some(WideReason::WiderThanDeclared));
    assert_eq!(found.verdict, PrecisionVerdict::Fallback);
}

#[test]
fn adding_up_partial_results_in_fp32_is_no_multiply_and_thins_no_fallback() {
    const REDUCE: &str = "void cublasLt::splitKreduce_kernel<32, 16, int, float, __nv_bfloat16, float, __nv_bfloat16, false, float, __nv_bfloat16, __nv_bfloat16, true, false, false>(int)";
    let t = run(&[(BF16_GEMM, 88), (FP32_GEMM, 12), (REDUCE, 100)]).build();
    let found = census(&t, Some(Dtype::Bf16));
    assert_eq!(found.matmul.as_ns(), 100);
    assert_eq!((found.fp32_simt.as_ns(), found.wide.len()), (12, 1));
    assert_eq!(found.verdict, PrecisionVerdict::Fallback, "12 of 100, not 12 of 200");
    let tails: Vec<_> = found.classes.iter().filter(|row| !row.is_multiply).collect();
    assert_eq!((tails.len(), tails[0].total.as_ns()), (1, 100));
}

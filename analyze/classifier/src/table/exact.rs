//! Names whose words do not tell what they are.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{Rule, Types, Unit, rule};
use crate::dtype::Dtype;
use crate::role::Role;

/// Finds a function by its whole name; the rule's pattern is the name.
pub(super) fn find(function: &str) -> Option<&'static Rule> {
    static INDEX: OnceLock<HashMap<&'static str, &'static Rule>> = OnceLock::new();
    INDEX
        .get_or_init(|| ENTRIES.iter().map(|rule| (rule.pattern, rule)).collect())
        .get(function)
        .copied()
}

/// Triton kernels are told by file in their repositories (vLLM, SGLang, FLA, Mamba, aiter); CUDA
/// ones by the library's own headers.
const ENTRIES: &[Rule] = &[
    // vLLM and SGLang Triton.
    rule("fused_moe_kernel", "grouped_gemm", Role::Gemm).unit(Unit::Dot),
    rule("fused_moe_kernel_gptq_awq", "grouped_gemm_wna16", Role::Gemm).unit(Unit::Dot),
    rule("batched_triton_kernel", "grouped_gemm", Role::Gemm).unit(Unit::Dot),
    rule("kernel_unified_attention_2d", "attention_fwd", Role::Attention).unit(Unit::Dot),
    rule("kernel_unified_attention_3d", "attention_fwd", Role::Attention).unit(Unit::Dot),
    rule("kernel_paged_attention_2d", "attention_fwd", Role::AttentionDecode).unit(Unit::Dot),
    rule("reduce_segments", "attention_combine", Role::AttentionDecode).unit(Unit::No),
    rule("_fwd_kernel", "attention_fwd", Role::AttentionPrefill).unit(Unit::Dot),
    rule("_fwd_kernel_stage1", "attention_fwd", Role::AttentionDecode).unit(Unit::No),
    rule("_fwd_grouped_kernel_stage1", "attention_fwd", Role::AttentionDecode).unit(Unit::Dot),
    rule("_fwd_kernel_stage2", "attention_combine", Role::AttentionDecode).unit(Unit::No),
    rule("_fwd_kernel_unified", "attention_fwd", Role::Attention).unit(Unit::Dot),
    rule("attn_fwd", "attention_fwd", Role::AttentionPrefill).unit(Unit::Dot),
    rule("_attn_fwd", "attention_fwd", Role::AttentionPrefill).unit(Unit::Dot),
    rule("_bwd_kernel", "attention_bwd", Role::Attention).unit(Unit::Dot),
    rule("_bwd_preprocess", "attention_bwd", Role::Attention).unit(Unit::No),
    rule("_copy_page_indices_kernel", "page_table_copy", Role::Metadata)
        .types(Types::Fixed(Dtype::Int32)),
    rule("compute_position_kernel", "position_ids", Role::Other).types(Types::Fixed(Dtype::Int64)),
    rule("write_req_to_token_pool_triton", "page_table_copy", Role::Metadata),
    rule("get_last_loc_kernel", "input_prep", Role::Metadata),
    rule("alloc_extend_kernel", "input_prep", Role::Metadata),
    rule("alloc_decode_kernel", "input_prep", Role::Metadata),
    rule("_combine_sampled_and_draft_tokens_kernel", "sampling_bookkeeping", Role::Sampling),
    rule("silu_mul_quant_kernel", "silu_mul_quant", Role::Activation),
    rule("act_quant_kernel", "quantize", Role::Quantize),
    // Unsloth and GemLite Triton.
    rule("_fg_kernel", "act_and_mul", Role::Activation),
    rule("_DWf_DW_dfg_kernel", "act_and_mul", Role::Activation),
    rule("_exact_forward_kernel", "act_and_mul", Role::Activation),
    rule("_approx_forward_kernel", "act_and_mul", Role::Activation),
    rule("gemm_INT_kernel", "gemm_wna16", Role::Gemm).unit(Unit::Dot),
    rule("gemm_splitK_INT_kernel", "gemm_wna16", Role::Gemm).unit(Unit::Dot),
    // DeepEP.
    rule("dispatch", "moe_dispatch", Role::Collective).types(Types::Storage),
    rule("combine", "moe_combine", Role::Collective),
    rule("notify_dispatch", "moe_dispatch", Role::Collective).types(Types::Storage),
    rule("cached_notify", "barrier", Role::Collective).types(Types::Storage),
    rule("cached_notify_dispatch", "moe_dispatch", Role::Collective).types(Types::Storage),
    rule("cached_notify_combine", "moe_combine", Role::Collective).types(Types::Storage),
    rule("get_dispatch_layout", "moe_metadata", Role::Metadata),
    // Weight-only multiplies without a telling word.
    rule("dense_kernel0", "gemm_qserve", Role::Gemm)
        .unit(Unit::Yes)
        .types(Types::Fixed(Dtype::Int8)),
    rule("fused_a_gemm_kernel", "gemm", Role::Gemm).unit(Unit::Yes),
    rule("exl3_gemm_kernel", "gemm_gptq", Role::Gemm)
        .unit(Unit::Yes)
        .types(Types::Fixed(Dtype::Fp16)),
    rule("reconstruct_kernel", "dequantize_gptq", Role::Dequantize),
    rule("dequantize_weights", "dequantize_awq", Role::Dequantize),
    rule("segmented_max_reduction", "quantize_absmax", Role::Quantize),
    rule("segmented_max_reduction_strided", "quantize_absmax", Role::Quantize),
    rule("convert_fp8_kernel", "kvcache_convert_fp8", Role::Cast).types(Types::Real),
    // TurboMind.
    rule("ProcessKV_v2", "kvwrite", Role::KvCacheWrite),
    rule("flattenKV_v2", "kvcache_gather", Role::KvCacheRead),
    rule("dtype_cast_kernel", "cast", Role::Cast).types(Types::Fixed(Dtype::Mixed)),
    rule("castFloat2D", "cast", Role::Cast),
    rule("quant_symm_block", "quantize_fp8", Role::Quantize),
    rule("quant_symm_row", "quantize_fp8", Role::Quantize),
    rule("sparse_mixer_top2", "moe_topk", Role::MoeRouting),
    // ATen.
    rule("im2col_kernel", "im2col", Role::Conv).unit(Unit::No),
    rule("vol2col_kernel", "im2col", Role::Conv).unit(Unit::No),
    rule("ComputeFusedParamsCUDAKernel", "groupnorm", Role::Norm),
    rule("ComputeInternalGradientsCUDAKernel", "groupnorm_bwd", Role::Norm),
    rule("ComputeBackwardFusedParamsCUDAKernel", "groupnorm_bwd", Role::Norm),
    rule("computeBlockwiseWithinKCounts", "topk", Role::Sampling).types(Types::Storage),
    rule("computeBlockwiseKthCounts", "topk", Role::Sampling).types(Types::Storage),
    rule("computeDigitCumSum", "topk", Role::Sampling).types(Types::Storage),
    rule("gatherTopK", "topk", Role::Sampling),
    rule("radixFindKthValues", "topk", Role::Sampling),
    rule("renormRowsL1", "multinomial", Role::Sampling),
    rule("sampleMultinomialOnce", "multinomial", Role::Sampling),
    rule("fill_index_and_segment_kernel", "sort", Role::Sort),
    rule("fill_reverse_indices_kernel", "sort", Role::Sort),
    rule("fused_dropout_kernel_vec", "dropout", Role::Elementwise),
    // MIOpen and FBGEMM.
    rule("Im2d2Col_v2", "im2col", Role::Conv).unit(Unit::No),
    rule("permute_indices_weights_kernel", "permute_indices", Role::Index),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_that_say_nothing_are_known() {
        for (name, expected) in [
            (
                "void at::native::(anonymous namespace)::ComputeFusedParamsCUDAKernel<float>(long)",
                "groupnorm norm fp32 no aten",
            ),
            ("Im2d2Col_v2", "im2col conv unknown no unknown"),
            (
                "void fbgemm_gpu::permute_indices_weights_kernel<true, int, float>(int, int)",
                "permute_indices index fp32 no fbgemm",
            ),
        ] {
            assert_eq!(line(name), expected, "{name}");
        }
    }
}

//! Matrix multiplies and convolutions named in plain words.

use super::{Rule, Types, Unit, rule};
use crate::dtype::Dtype;
use crate::role::Role::{Conv, Gemm, Metadata, Other};

/// Before attention, quantisation and sampling take words these names share with them.
pub(super) const SPECIFIC: &[Rule] = &[
    rule("getrf|getf2|potrf|potf2|geqr2|geqrf|sytrd|gesvd|syevd", "linear_algebra", Other),
    rule("cuda core gemm", "gemm", Gemm).unit(Unit::No),
    rule("splitk reduce !attn|mla", "splitk_reduce", Gemm).unit(Unit::No),
    rule("gemm|bmm|matmul reduce !scatter|silu|fused", "splitk_reduce", Gemm).unit(Unit::No),
    rule("splitk sum|fixup|epilogue|merge", "splitk_reduce", Gemm).unit(Unit::No),
    rule("gemm|matmul streamk fixup", "splitk_reduce", Gemm).unit(Unit::No),
    rule("gemm starts|args|problem|offsets|sizes|strides", "gemm_metadata", Metadata),
    rule("gemm ptr|ptrs|pointers|metadata|setup", "gemm_metadata", Metadata),
    rule("gemm tensormap|descriptor|schedule", "gemm_metadata", Metadata),
    rule("gemm absmax|scale compute|quant !fused", "quantize", crate::role::Role::Quantize),
    // Weight-only quantisation.
    rule("gemm|gemmv2 awq|fwd 4bit group", "grouped_gemm_awq", Gemm)
        .unit(Unit::Yes)
        .types(Types::Real),
    rule("gemm|gemmv2 fwd 4bit cuda", "gemm_awq", Gemm).unit(Unit::Yes),
    rule("gemm w4a16", "gemm_awq", Gemm).unit(Unit::Yes),
    rule("gemv awq|g64|g128|4bit !inference", "gemv_awq", Gemm).unit(Unit::No),
    rule("gemm half q gptq|half|alt", "gemm_gptq", Gemm)
        .unit(Unit::No)
        .types(Types::Fixed(Dtype::Fp16)),
    rule("q4 matmul", "gemm_gptq", Gemm).unit(Unit::No).types(Types::Fixed(Dtype::Fp16)),
    rule("gemm|kgemm 4bit inference|naive", "gemv_4bit", Gemm).unit(Unit::No),
    rule("gemm|matmul 4bit", "gemm_4bit", Gemm),
    rule("gptq|awq|exllama gemm|matmul|bmm", "gemm_gptq", Gemm),
    rule("wna16|w4a16|w8a16|weightonly gemm|matmul", "gemm_wna16", Gemm),
    rule("weightonly batched|gemv", "gemv_wna16", Gemm).unit(Unit::No),
    rule("tinygemm", "gemm_int4", Gemm).unit(Unit::Yes).types(Types::Fixed(Dtype::Bf16)),
    rule("matrix layout bint4|m16n8k16", "weight_repack", crate::role::Role::WeightPrep),
    // Matrix-vector.
    rule("gemv|gemv2|sgemv|dgemv|hgemv|matvec|gevm", "gemv", Gemm).unit(Unit::NoUnlessNamed),
    rule("matmul vec|vector", "gemv", Gemm).unit(Unit::No),
    rule("@onnxruntime matmul !wmma", "gemm", Gemm).unit(Unit::NoUnlessNamed),
    rule("w4a4|w4a8|a8w8|a4w4|a16w4|a16w16|a8w4 gemm|matmul|linear", "gemm", Gemm).unit(Unit::Yes),
    rule("csrmv|csrmm|bsrmm|spmm|csrmmt", "spmm", Gemm).unit(Unit::No),
    rule("contraction", "gemm", Gemm),
    rule("weightonly", "gemv_wna16", Gemm).unit(Unit::NoUnlessNamed),
    // Low-rank adapters.
    rule("lora|sgmv expand|shrink|qkv|gate|gemm|a|b", "gemm_lora", Gemm).unit(Unit::Dot),
    rule("bgmv expand|shrink|multi|sliced", "gemm_lora", Gemm).unit(Unit::No),
    rule("sgmv", "gemm_lora", Gemm),
    // Named letters are CUDA cores.
    rule("sgemm|ssgemm", "gemm", Gemm).unit(Unit::No).types(Types::Fixed(Dtype::Fp32)),
    rule("dgemm", "gemm", Gemm).unit(Unit::No).types(Types::Fixed(Dtype::Fp64)),
    rule("igemm implicit", "conv_fprop", Conv),
    rule("scale matmul|gemm block|fp8|int8|w8a8", "gemm", Gemm).unit(Unit::Yes),
    rule("w8a8 block matmul|gemm", "gemm", Gemm).unit(Unit::Yes),
    rule("matmul|gemm persistent|splitk|streamk|tma", "gemm", Gemm),
];

/// After the rest has had its say.
pub(super) const GENERAL: &[Rule] = &[
    rule("im2col|col2im|vol2col|col2vol|unfold|im2col2d|im2colnd", "im2col", Conv).unit(Unit::No),
    rule("conv depthwise", "conv_depthwise", Conv).unit(Unit::No),
    rule("depthwise", "conv_depthwise", Conv).unit(Unit::No),
    rule("winograd", "conv_winograd", Conv).unit(Unit::No),
    rule("wgrad !gemm", "conv_wgrad", Conv),
    rule("dgrad !gemm", "conv_dgrad", Conv),
    rule("conv|deconv bwd weight|filter", "conv_wgrad", Conv),
    rule("conv|deconv bwd", "conv_dgrad", Conv),
    rule("conv|conv1d|deconv|implicitgemm", "conv_fprop", Conv),
    rule("group|grouped|ragged gemm|matmul", "grouped_gemm", Gemm),
    rule("batched|bmm gemm|matmul|bmm", "batched_gemm", Gemm),
    rule("bmm", "batched_gemm", Gemm),
    rule("gemm|matmul bias", "gemm_bias", Gemm),
    rule("hgemm", "gemm", Gemm),
    rule("igemm", "gemm", Gemm),
    rule("gemm|matmul|addmm|wgemm|qgemm|mmq", "gemm", Gemm),
    rule("linear fwd|w8a8|w4a4|lowbit|fused", "gemm", Gemm),
    rule("gmm|tgmm", "grouped_gemm", Gemm).unit(Unit::Dot),
    rule("wv splitk|splitkq", "gemv", Gemm).unit(Unit::No),
    rule("mlp|proj !add|norm|copy", "gemm", Gemm),
    rule("wmma|mfma|hmma|imma", "gemm", Gemm),
    rule("spmm|spmv|sddmm", "spmm", Gemm).unit(Unit::No),
    rule("trsm|syrk|trmm", "gemm", Gemm),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(line("void acme::gemv_int4<__half>(__half*)"), "gemv gemm fp16 no unknown");
        assert_eq!(line("void acme::my_wmma_gemm<__half>(__half*)"), "gemm gemm fp16 yes unknown");
        assert_eq!(line("void acme::sgemm_naive(float*)"), "gemm gemm fp32 no unknown");
        assert_eq!(
            line("void acme::gemm_tiled<float, 128, 128, 32>(float*)"),
            "gemm gemm fp32 no unknown"
        );
        assert_eq!(
            line("void acme::depthwise_conv2d<float>(float*)"),
            "conv_depthwise conv fp32 no unknown"
        );
    }
}

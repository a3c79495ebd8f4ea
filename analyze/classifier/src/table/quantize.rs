//! Quantise, dequantise and the transforms around them.

use super::{Rule, Types, Unit, rule};
use crate::role::Role::{Activation, Cast, Dequantize, Gemm, Quantize};

/// Names with `quant` in them that multiply or activate.
pub(super) const MULTIPLIES: &[Rule] = &[
    rule("dequant fused matmul|matmul10|matmul1", "gemm_wna16", Gemm),
    rule("dequant fused take", "embedding", crate::role::Role::Embedding),
    rule("dequant gemm output", "dequantize_int32", Dequantize),
    rule("quant|dequant vec matmul", "gemm_gptq", Gemm).unit(Unit::No).types(Types::Template),
    rule(
        "silu|swiglu|gelu|activation quant|fp8|fp4 mul !norm|rmsnorm|layernorm",
        "silu_mul_quant",
        Activation,
    ),
    rule("swiglu|geglu|silu quant|fp8|fp4 glu|swiglu !norm|rmsnorm", "silu_mul_quant", Activation),
    rule("and mul quant|fp8|fp4", "act_mul_quant", Activation),
    rule("activation mul quant", "act_mul_quant", Activation),
    rule(
        "silu|gelu|relu|activation|swiglu quant !norm|rmsnorm|layernorm|bwd|gemm",
        "act_mul_quant",
        Activation,
    ),
];

pub(super) const RULES: &[Rule] = &[
    rule("rope quant !kvcache|cache", "rope", crate::role::Role::Rope),
    rule("@hadacore hadamard", "hadamard", Quantize).unit(Unit::Yes),
    rule("hadamard", "hadamard", Quantize).types(Types::Storage),
    rule("@transformer_engine dequant", "dequantize", Dequantize).types(Types::Storage),
    rule("@transformer_engine mxfp8 quant", "quantize_mxfp8", Quantize).types(Types::Storage),
    rule("@transformer_engine nvfp4 quant", "quantize_nvfp4", Quantize).types(Types::Storage),
    rule("@transformer_engine fp4 quant", "quantize_fp4", Quantize).types(Types::Storage),
    rule("@transformer_engine cast|partial fp8", "quantize_fp8", Quantize).types(Types::Storage),
    rule("@transformer_engine group block scale", "cast_transpose_fp8", Quantize)
        .types(Types::Storage),
    rule("@transformer_engine quant", "quantize_fp8", Quantize).types(Types::Storage),
    rule("absmax !attn", "quantize_absmax", Quantize),
    rule("cast transpose", "cast_transpose_fp8", Quantize).types(Types::Storage),
    rule("dequant awq", "dequantize_awq", Dequantize),
    rule("dequant gptq|exllama", "dequantize_gptq", Dequantize),
    rule("reconstruct !index|tree|mask", "dequantize_gptq", Dequantize),
    rule("dequant blockwise", "dequantize_blockwise", Dequantize),
    rule("dequant int32", "dequantize_int32", Dequantize),
    rule("dequant", "dequantize", Dequantize),
    rule("quant blockwise|block blockwise|wise", "quantize_blockwise", Quantize),
    rule("quant mxfp8|mx|mxfp", "quantize_mxfp8", Quantize),
    rule("mxfp8|mxfp4|mxfp downcast|cast|quant|to", "quantize_mxfp8", Quantize),
    rule("downcast", "quantize", Quantize),
    rule("quant nvfp4", "quantize_nvfp4", Quantize),
    rule("quant fp4|mxfp4", "quantize_fp4", Quantize),
    rule("cast fp4", "quantize_fp4", Quantize),
    rule("quant 8bit", "quantize_8bit", Quantize),
    rule("quant fp8|e4m3|float8", "quantize_fp8", Quantize),
    rule("group|rowwise cast fp8", "quantize_fp8", Quantize).types(Types::Storage),
    rule("quant int8|i8|azp", "quantize_int8", Quantize),
    rule("vector quant int8", "quantize_int8", Quantize),
    rule("fp8|int8 scale|per token|tensor|channel|group to|cast|compute", "quantize_fp8", Quantize),
    rule("cast fp8|e4m3|int8|mxfp8", "cast", Cast),
    rule("quant !bwd", "quantize", Quantize),
    rule("fakequant|fake quant", "quantize", Quantize),
    rule("calibrate", "quantize_absmax", Quantize),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void acme::per_token_quant_fp8<__half, __nv_fp8_e4m3>(__half*)"),
            "quantize_fp8 quantize fp16 no unknown"
        );
        assert_eq!(
            line("void acme::dequantize_rows<signed char, __half>(__half*)"),
            "dequantize dequantize fp16 no unknown"
        );
        assert_eq!(
            line("void acme::gelu_and_mul_quant<__half>(__half*)"),
            "silu_mul_quant activation fp16 no unknown"
        );
    }
}

//! Mixture-of-experts routing and bookkeeping; the grouped multiplies themselves are in
//! [`super::gemm`].

use super::{Rule, Types, Unit, rule};
use crate::role::Role::{Activation, Dequantize, Gemm, Metadata, MoeRouting, Quantize};

pub(super) const RULES: &[Rule] = &[
    // Multiplies.
    rule("wna16 moe gemm|matmul", "grouped_gemm_wna16", Gemm).unit(Unit::No),
    rule("fusedmoe gptq|awq|wna16", "grouped_gemm_wna16", Gemm).unit(Unit::Dot),
    rule("router gemv", "router_gemm", Gemm).unit(Unit::No),
    rule("routergemm", "router_gemm", Gemm).unit(Unit::No),
    rule("router gemm|matmul", "router_gemm", Gemm).unit(Unit::No),
    rule(
        "moe|expert|grouped|group gemm|matmul starts|args|problem|sizes|size",
        "gemm_metadata",
        Metadata,
    ),
    rule(
        "moe|expert|grouped|group gemm|matmul offsets|strides|stride|setup",
        "gemm_metadata",
        Metadata,
    ),
    rule(
        "moe|expert|grouped|group gemm|matmul ptr|ptrs|metadata|tensormap",
        "gemm_metadata",
        Metadata,
    ),
    rule("moe|expert|fusedmoe bgmv|sgmv|lora expand|shrink", "gemm_lora", Gemm),
    rule("moe|fusedmoe|expert gemv", "moe_gemv", Gemm).unit(Unit::No),
    rule(
        "moe|fusedmoe|expert gemm|matmul !offsets|reduce|count|align|permute|zero",
        "grouped_gemm",
        Gemm,
    ),
    rule("moe|fusedmoe|expert mlp|w1|w2|ffn !reduce|count|sort|quant", "grouped_gemm", Gemm),
    rule("moe|fusedmoe|expert up|down !reduce|count|sort|quant", "grouped_gemm", Gemm),
    rule(
        "fusedmoe !topk|gate|softmax|router|align|sum|sort|quant|finalize|permute|count|index",
        "grouped_gemm",
        Gemm,
    )
    .unit(Unit::Dot),
    // Bookkeeping.
    rule(
        "expert|moe|blockscale compute|problem sizes|offsets|problem !topk",
        "moe_metadata",
        Metadata,
    ),
    rule("problem sizes", "moe_metadata", Metadata),
    rule("expert offsets|strides|ptr", "moe_metadata", Metadata),
    rule("align|alig block|size moe|expert|token", "moe_align", MoeRouting).types(Types::Any),
    rule("align|alig block size", "moe_align", MoeRouting).types(Types::Any),
    rule("moe align|alig", "moe_align", MoeRouting).types(Types::Any),
    rule("sort expert|moe|router", "moe_sort", MoeRouting).types(Types::Any),
    rule("moe scan|cumsum|prefix", "moe_sort", MoeRouting).types(Types::Storage),
    rule("moe sum", "moe_sum", MoeRouting),
    // Gate.
    rule("moe|expert|router softmax !topk|gate", "moe_softmax", MoeRouting),
    rule("moe|expert|router sigmoid !topk|gate", "moe_sigmoid", MoeRouting),
    rule("topk gate|router|expert|moe|fusedmoe", "moe_topk", MoeRouting),
    rule("@moe topk", "moe_topk", MoeRouting),
    rule("topk group|grouped", "moe_topk", MoeRouting),
    rule("topk fused fwd|bwd|score|simple|aux", "moe_topk", MoeRouting),
    rule("topk softmax|sigmoid !beam|online|sampling", "moe_topk", MoeRouting),
    rule("moe gate", "moe_topk", MoeRouting).types(Types::Template),
    rule("gate bias|group|grouped topk|select", "moe_topk", MoeRouting),
    rule("aux loss", "moe_aux_loss", MoeRouting),
    // Combine.
    rule("finalize moe|router|expert", "moe_finalize", MoeRouting),
    rule("unpermute", "moe_finalize", MoeRouting),
    rule("reorder post|output", "moe_finalize", MoeRouting),
    rule("shuffle mul sum", "moe_finalize", MoeRouting),
    rule("scatter matmul finalize", "moe_finalize", MoeRouting),
    rule("moe|expert|topk sum|reduce|combine", "moe_sum", MoeRouting),
    // Permute.
    rule("expand input rows quant|fp4", "moe_permute_quant", MoeRouting),
    rule("expand input rows", "moe_permute", MoeRouting).types(Types::Any),
    rule("shuffle rows|row", "moe_permute", MoeRouting).types(Types::Any),
    rule(
        "moe|expert permute|gather|scatter|reorder|dispatch|expand|copy|shuffle",
        "moe_permute",
        MoeRouting,
    )
    .types(Types::Template),
    rule("permute token|row|prob|map|chunks", "moe_permute", MoeRouting),
    rule("reorder token|pre|input topk|expert|router|pre", "moe_permute", MoeRouting),
    rule("fill gateup", "moe_permute", MoeRouting),
    rule("ep scatter|gather", "moe_permute", MoeRouting),
    rule("moe|fusedmoe activation|silu|gelu|swiglu", "activation", Activation),
    rule("moe quant !sort|permute|align", "quantize", Quantize),
    rule("moe dequant", "dequantize", Dequantize),
    rule("moe e2e|stage1|stage2 !sort|count|reduce|align", "grouped_gemm", Gemm),
    rule("router", "moe_route", MoeRouting),
    rule("bitmatrix|expt", "moe_route", MoeRouting),
    rule("strides compute tma", "moe_metadata", Metadata),
    rule("moe|mixtral !transpose|pack|scale", "moe_route", MoeRouting).types(Types::Template),
    rule("expert !quant|cast|fp4", "moe_route", MoeRouting).types(Types::Template),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void acme::moe_align_block_size<int>(int*)"),
            "moe_align moe_routing int32 no unknown"
        );
        assert_eq!(
            line("void acme::TopkGatingSoftmax<4, __half>(__half*)"),
            "moe_topk moe_routing fp16 no unknown"
        );
        assert_eq!(line("_moe_gemm_a8w8"), "grouped_gemm gemm unknown yes unknown");
        assert_eq!(
            line("void acme::moe_sum_reduce<float>(float*)"),
            "moe_sum moe_routing fp32 no unknown"
        );
    }
}

//! Attention in plain words: latent, decode, prefill, combines, bookkeeping.
//!
//! Names say the phase (`decode`, `masked_multihead`, `prefill`, `extend`) or do not. Split-KV
//! combines and the vector decode kernels of vLLM and FasterTransformer (`paged_attention_v1`,
//! `mmha`) run on CUDA cores; Triton attention multiplies with `tl.dot`.

use super::{Rule, Types, Unit, rule};
use crate::dtype::Dtype;
use crate::role::Role::{
    Attention, AttentionDecode, AttentionPrefill, Elementwise, Metadata, Softmax,
};

/// Attention names that mention a cache and must not be taken for cache writes.
pub(super) const BEFORE_CACHE: &[Rule] = &[
    rule(
        "pagedattn|attn|pa reduce|combine|merge kvcache|v2|ll4mi|sparse|ps",
        COMBINE,
        AttentionDecode,
    )
    .unit(Unit::No),
    rule("pagedattn reduce|combine|merge", COMBINE, AttentionDecode).unit(Unit::No),
    rule("pagedattn prefill|extend|context", "attention_fwd", AttentionPrefill),
    rule("pagedattn v1|v2", "attention_fwd", AttentionDecode).unit(Unit::NoUnlessNamed),
    rule("pagedattn", "attention_fwd", AttentionDecode),
    rule("bwd preprocess", "attention_bwd", Attention).unit(Unit::No),
    rule("attn|flashattn bwd preprocess|postprocess", "attention_bwd", Attention).unit(Unit::No),
    rule(
        "decode attn|mla kvcache|cache|paged|page !insert|concat|rope|metadata|quant",
        "attention_fwd",
        AttentionDecode,
    ),
    rule(
        "prefill attn|mla kvcache|cache|paged|page !insert|concat|rope|metadata|quant",
        "attention_fwd",
        AttentionPrefill,
    ),
    rule("batch decode kvcache", "attention_fwd", AttentionDecode).unit(Unit::NoUnlessNamed),
    rule("batch prefill kvcache", "attention_fwd", Attention),
    rule("cascade attn", "attention_fwd", Attention),
];

const COMBINE: &str = "attention_combine";

pub(super) const RULES: &[Rule] = &[
    // Combines.
    rule("merge|combine state|attn|lse", COMBINE, Attention).unit(Unit::No),
    rule("segments reduce", COMBINE, AttentionDecode).unit(Unit::No),
    rule("attn|flashattn|mla|pa reduce|combine|lse !bias|bwd", COMBINE, AttentionDecode)
        .unit(Unit::No),
    rule("splitkv combine|reduce|merge", COMBINE, AttentionDecode).unit(Unit::No),
    // Bookkeeping.
    rule("mla|pa metadata|schedule|plan|info", "attention_metadata", Metadata),
    rule(
        "attn|flashattn|varlen metadata|plan|schedule|scheduler|tensormap",
        "attention_metadata",
        Metadata,
    ),
    rule(
        "attn|flashattn|varlen block|lens|offsets|index|seqlens prepare|get|build|compute|create",
        "attention_metadata",
        Metadata,
    ),
    rule("seqlens|seqlen build|compute|prepare|get|padding|set", "attention_metadata", Metadata),
    rule("seqlens|seqlen to|offsets|actual", "attention_metadata", Metadata),
    rule("vertical slash", "attention_metadata", Metadata),
    rule("qkv tma setup", "attention_metadata", Metadata),
    // Masks and biases.
    rule("attn softmax", "attention_softmax", Softmax),
    rule(
        "attn mask build|apply|add|transform|generate|create|to|get|shift",
        "attention_mask",
        Elementwise,
    ),
    rule("relative attn|position bias", "attention_bias", Elementwise),
    rule("alibi add|slopes|bias|build", "alibi_add", Elementwise),
    // Backward.
    rule("attn|flashattn bwd dot|delta|cast|clear|do !rope", "attention_bwd", Attention)
        .unit(Unit::No),
    rule("bwd dot do|o", "attention_bwd", Attention).unit(Unit::No),
    rule("attn|flashattn bwd !rope|res", "attention_bwd", Attention),
    rule("bwd dkdv|dkdvdq|dq|dk|dv|dkv !rwkv|rope", "attention_bwd", Attention),
    // Latent attention.
    rule("mla prefill", "attention_fwd", AttentionPrefill),
    rule(
        "mla decode|paged|page|flash|splitkv|absorb|fwd !concat|copy|quant|rope",
        "attention_mla",
        AttentionDecode,
    ),
    rule("mla attn|flashattn", "attention_mla", AttentionDecode),
    // Decode by name.
    rule("masked attn", "attention_fwd", AttentionDecode).unit(Unit::NoUnlessNamed),
    rule("mmha", "attention_fwd", AttentionDecode).unit(Unit::NoUnlessNamed),
    rule(
        "attn|flashattn decode|decoding|gen|generation|single|spec",
        "attention_fwd",
        AttentionDecode,
    ),
    rule("pa|dsa|nsa decode", "attention_fwd", AttentionDecode),
    rule("pa|dsa|nsa prefill", "attention_fwd", AttentionPrefill),
    rule("grouped stage1 !gemm|moe|topk", "attention_fwd", AttentionDecode).unit(Unit::Dot),
    rule("fwd|att stage1", "attention_fwd", AttentionDecode).unit(Unit::No),
    rule("fwd|att stage2", COMBINE, AttentionDecode).unit(Unit::No),
    rule("flashdecoding|flashdecode", "attention_fwd", AttentionDecode),
    rule("flash decode|decoding", "attention_fwd", AttentionDecode),
    rule("attn splitk", "attention_fwd", AttentionDecode),
    rule("splitkv decode", "attention_fwd_splitkv", AttentionDecode),
    rule("decode reduce|combine !sum", COMBINE, AttentionDecode).unit(Unit::No),
    // Prefill by name.
    rule(
        "attn|flashattn prefill|extend|context|varlen|vit|encoder",
        "attention_fwd",
        AttentionPrefill,
    ),
    rule("sage attn|fwd !quant|scale", "attention_fwd", AttentionPrefill)
        .unit(Unit::Yes)
        .types(Types::Fixed(Dtype::Mixed)),
    rule("qk sv attn|int8|f8|i8", "attention_fwd", AttentionPrefill)
        .unit(Unit::Yes)
        .types(Types::Fixed(Dtype::Mixed)),
    // Phase open.
    rule("attn|flashattn logits|score|scores", "attention_logits", Attention),
    rule("unified attn", "attention_fwd", Attention).unit(Unit::Dot),
    rule("flash fwd|sparse", "attention_fwd", Attention),
    rule(
        "attn|flashattn !mask|bias|concat|transpose|add|norm|rope|reshape|index|quant|copy|absmax",
        "attention_fwd",
        Attention,
    ),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void vllm::paged_attention_v1_kernel<unsigned short, 128, 16>(float*)"),
            "attention_fwd attention_decode fp32 no vllm"
        );
        assert_eq!(
            line("void mmha::masked_multihead_attention_kernel<unsigned short, 128>(int)"),
            "attention_fwd attention_decode unknown no unknown"
        );
        assert_eq!(line("_attn_fwd_inner"), "attention_fwd attention unknown yes unknown");
        assert_eq!(
            line("void acme::flash_attn_splitkv_combine<__half>(__half*)"),
            "attention_combine attention_decode fp16 no unknown"
        );
    }
}

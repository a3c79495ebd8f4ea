//! Attention, its linear substitutes, and the short convolutions and scans that go with them.

use super::{Rule, Types, Unit, rule};
use crate::dtype::Dtype;
use crate::role::Role::{
    Attention, AttentionDecode, AttentionPrefill, Elementwise, Metadata, Softmax,
};

/// Attention names that mention a cache and must not be taken for cache writes.
pub(super) const BEFORE_CACHE: &[Rule] = &[
    rule(
        "pagedattn|attn reduce|combine|merge kvcache|v2|ll4mi|sparse|pagedattn",
        "attention_combine",
        AttentionDecode,
    )
    .unit(Unit::No),
    rule("pagedattn", "attention_fwd", AttentionDecode),
    rule(
        "decode|prefill attn|mla kvcache|cache|paged|page !insert|concat|rope|metadata|quant",
        "attention_fwd",
        Attention,
    ),
    rule("cascade attn", "attention_fwd", Attention),
];

pub(super) const RULES: &[Rule] = &[
    // Short convolutions of state-space models.
    rule("causalconv1d update", "conv1d_causal", AttentionDecode).unit(Unit::No),
    rule("causalconv1d single|decode|step", "conv1d_causal", AttentionDecode).unit(Unit::No),
    rule("causalconv1d fwd", "conv1d_causal", AttentionPrefill).unit(Unit::No),
    rule("causalconv1d", "conv1d_causal", Attention).unit(Unit::No),
    rule("conv1d batched|fused|causal|state|varlen|dyt", "conv1d_causal", Attention).unit(Unit::No),
    rule("conv batched|fused|causal|state|varlen update|fwd|batched !bwd|2d|weight|bias|norm|gemm", "conv1d_causal", Attention).unit(Unit::No),
    // State-space scans.
    rule("selectivestateupdate", "mamba_update", AttentionDecode).unit(Unit::No),
    rule("selectivescan update", "mamba_update", AttentionDecode).unit(Unit::No),
    rule("ssu|ssm update|checkpointing", "mamba_update", AttentionDecode).unit(Unit::No),
    rule("selectivescan", "mamba_scan", AttentionPrefill).unit(Unit::No).types(Types::Storage),
    rule("ssm|mamba|ssd scan|fwd|combined", "mamba_scan", AttentionPrefill).unit(Unit::No),
    rule("chunk scan|state !passing|cumsum|gla|deltarule|delta|gdn|kda|mamba", "mamba_scan", AttentionPrefill).unit(Unit::Dot).types(Types::Real),
    rule("state passing", "mamba_scan", AttentionPrefill).unit(Unit::No),
    rule("chunk cumsum", "cumsum", crate::role::Role::Scan),
    // Linear attention: recurrent forms are decode, chunked forms prefill.
    rule("recurrent|recurrence fwd flash", "linear_attention", AttentionPrefill),
    rule("gdn|gdr|kda|gla|deltarule|delta|rwkv6|rwkv7|rwkv4|rwkv|wkv|retention|lightning|hgrn|linear recurrent|decode|update|mtp|step|t1|packed", "linear_attention", AttentionDecode).unit(Unit::No),
    rule("fused recurrent", "linear_attention", AttentionDecode).unit(Unit::No),
    rule("recurrent !fwd", "linear_attention", AttentionDecode).unit(Unit::No),
    rule("recurrent", "linear_attention", AttentionDecode).unit(Unit::No),
    rule("gdn|gdr|kda|gla|deltarule|delta|rwkv6|rwkv7|rwkv|wkv|retention|lightning|hgrn|dplr|comba|gsa|abc|based|ttt|mesa|path|simple chunk|chunked|fwd|intra|inter|parallel|prefill|bwd !cumsum", "linear_attention", AttentionPrefill),
    rule("recompute w u", "linear_attention", AttentionPrefill).unit(Unit::Dot),
    rule("solve tril", "linear_attention", AttentionPrefill).unit(Unit::Dot),
    rule("scale dot kkt", "linear_attention", AttentionPrefill).unit(Unit::Dot),
    rule("chunk fwd|bwd h|o|dv|dqkwg|a|kkt|wy|local|intra|inter !cumsum", "linear_attention", AttentionPrefill),
    rule("gdn|gdr|kda|gla|deltarule|rwkv|wkv gate|cumsum|l2norm", "linear_attention_gate", Elementwise),
    rule("gdn|gdr|kda|gla|deltarule|rwkv|wkv", "linear_attention", Attention),
    rule("lightning|linear attn", "linear_attention", Attention),
    // Combines and bookkeeping.
    rule("merge|combine state|attn", "attention_combine", Attention).unit(Unit::No),
    rule("merge|combine state|lse", "attention_combine", Attention).unit(Unit::No),
    rule("segments reduce", "attention_combine", AttentionDecode).unit(Unit::No),
    rule("attn|flashattn|mla reduce|combine|lse", "attention_combine", AttentionDecode).unit(Unit::No),
    rule("splitkv|split combine|reduce|merge", "attention_combine", AttentionDecode).unit(Unit::No),
    rule("mla metadata|schedule|plan|info", "attention_metadata", Metadata),
    rule("attn|flashattn|varlen metadata|plan|schedule|scheduler|block|lens|offsets|setup|tensormap|index|seqlens|cu|info prepare|metadata|plan|get|build|compute|setup|set|update|create", "attention_metadata", Metadata),
    rule("seqlens|seqlen|cu build|compute|prepare|get|padding|set", "attention_metadata", Metadata),
    rule("attn softmax", "attention_softmax", Softmax),
    rule("attn mask build|apply|add|transform|generate|create|to|get", "attention_mask", Elementwise),
    rule("relative attn|position bias", "attention_bias", Elementwise),
    rule("alibi add|slopes|bias|build", "alibi_add", Elementwise),
    rule("attn|flashattn bwd preprocess|dot|delta|cast|clear|postprocess|do", "attention_bwd", Attention).unit(Unit::No),
    rule("bwd preprocess|dot do|o", "attention_bwd", Attention).unit(Unit::No),
    rule("attn|flashattn bwd", "attention_bwd", Attention),
    rule("bwd dkdv|dkdvdq|dq|dk|dv|dkv !rwkv", "attention_bwd", Attention),
    // Latent attention.
    rule("mla decode|paged|page|flash|splitkv|absorb|fwd attn|decode|fwd|splitkv|sparse|paged|page", "attention_mla", AttentionDecode),
    rule("mla prefill", "attention_fwd", AttentionPrefill),
    rule("mla attn|flashattn", "attention_mla", AttentionDecode),
    // Decode by name.
    rule("masked attn", "attention_fwd", AttentionDecode).unit(Unit::No),
    rule("mmha", "attention_fwd", AttentionDecode).unit(Unit::No),
    rule("attn|flashattn decode|decoding|gen|generation|single|spec", "attention_fwd", AttentionDecode),
    rule("grouped stage1", "attention_fwd", AttentionDecode).unit(Unit::Dot),
    rule("fwd stage1", "attention_fwd", AttentionDecode).unit(Unit::No),
    rule("fwd stage2", "attention_combine", AttentionDecode).unit(Unit::No),
    rule("att stage1|stage2", "attention_fwd", AttentionDecode).unit(Unit::No),
    rule("flashdecoding|flashdecode|flash decode|decoding", "attention_fwd", AttentionDecode),
    // Prefill by name.
    rule("attn|flashattn prefill|extend|context|varlen|vit|encoder|causal", "attention_fwd", AttentionPrefill),
    rule("sage qk|int8|attn|sv|fwd", "attention_fwd", AttentionPrefill).unit(Unit::Yes).types(Types::Fixed(Dtype::Mixed)),
    rule("qk sv int8|f8|i8|attn", "attention_fwd", AttentionPrefill).unit(Unit::Yes).types(Types::Fixed(Dtype::Mixed)),
    rule("attn logits", "attention_logits", Attention),
    rule("attn|flashattn logits|score|scores", "attention_logits", Attention),
    rule("unified attn", "attention_fwd", Attention).unit(Unit::Dot),
    rule("flash fwd|sparse", "attention_fwd", Attention),
    rule("fwd block|sparse attn", "attention_fwd", Attention),
    rule("attn|flashattn !mask|bias|concat|transpose|add|norm|rope|reshape|index|quant|copy", "attention_fwd", Attention),
    rule("@plain fwd !norm|softmax|rope|embedding|loss|conv|gelu|silu|crossentropy|swiglu|rmsnorm|layernorm|geglu|dropout|gemm|matmul|pool|scan|activation|relu|ln|l2norm|groupnorm|batchnorm|gate|cumsum|state|quant|unary|binary|sum|mean|div|kl|jsd|mul|hinge|tanh|add|sigmoid|cast|logsumexp|topk|pooling|pos|token|distance|tvd|grpo|dyt|mhc|poly|sparse", "attention_fwd", Attention).unit(Unit::Dot),
];

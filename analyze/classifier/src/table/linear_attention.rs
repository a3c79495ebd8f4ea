//! What replaces attention: state-space scans, gated delta rules, and their short convolutions.
//!
//! Chunked forms run over a prompt and multiply on tensor cores (`tl.dot` in flash-linear-attention
//! and Mamba's Triton kernels); recurrent forms and state updates take one token and do not.
//! Mamba's
//! `selective_scan` is an elementwise recurrence. Sources: fla-org/flash-linear-attention
//! `fla/ops`, state-spaces/mamba `mamba_ssm/ops`, Dao-AILab/causal-conv1d.

use super::{Rule, Types, Unit, rule};
use crate::role::Role::{
    Attention, AttentionDecode, AttentionPrefill, Elementwise, Metadata, Scan,
};

pub(super) const RULES: &[Rule] = &[
    // Short convolutions.
    rule("causalconv1d update", "conv1d_causal", AttentionDecode).unit(Unit::No),
    rule("causalconv1d single|decode|step", "conv1d_causal", AttentionDecode).unit(Unit::No),
    rule("causalconv1d fwd", "conv1d_causal", AttentionPrefill).unit(Unit::No),
    rule("causalconv1d", "conv1d_causal", Attention).unit(Unit::No),
    rule("conv1d batched|fused|causal|state|varlen", "conv1d_causal", Attention).unit(Unit::No),
    rule("conv1d update|split", "conv1d_causal", Attention).unit(Unit::No),
    rule("conv causal decode|update|step", "conv1d_causal", AttentionDecode).unit(Unit::No),
    rule("conv causal prefill|fwd|batched !bwd", "conv1d_causal", AttentionPrefill).unit(Unit::No),
    rule("conv causal varlen", "conv1d_causal", Attention).unit(Unit::No),
    rule("conv causal|state|varlen update|fwd|batched !bwd|2d|weight", "conv1d_causal", Attention)
        .unit(Unit::No),
    rule("tma|state desc|descriptors prepare", "gemm_metadata", Metadata),
    // Mamba.
    rule("selectivestateupdate", "mamba_update", AttentionDecode).unit(Unit::No),
    rule("selectivescan update", "mamba_update", AttentionDecode).unit(Unit::No),
    rule("ssu|ssm update|checkpointing", "mamba_update", AttentionDecode).unit(Unit::No),
    rule("selectivescan", "mamba_scan", AttentionPrefill).unit(Unit::No).types(Types::Storage),
    rule("ssm|mamba|mamba2|mamba3|ssd scan|fwd|bwd !embedding", "mamba_scan", AttentionPrefill),
    rule("chunk scan|state !passing|cumsum|gla|deltarule|gdn|kda", "mamba_scan", AttentionPrefill)
        .unit(Unit::Dot),
    rule("state passing", "mamba_scan", AttentionPrefill).unit(Unit::No),
    // Gates and prefix sums around the chunked forms.
    rule("chunk cumsum !kkt|dot", "cumsum", Scan),
    rule(
        "gdn|gdr|kda|gla|comba|rwkv6 gate|cumsum !chunk|recurrent|decode|update|deltarule|fused",
        "linear_attention_gate",
        Elementwise,
    ),
    rule("linear attn gate", "linear_attention_gate", Elementwise),
    // Recurrent forms.
    rule("linear attn decode|recurrent|step", "linear_attention", AttentionDecode).unit(Unit::No),
    rule("recurrence fwd flash", "linear_attention", AttentionPrefill),
    rule("recurrent", "linear_attention", AttentionDecode).unit(Unit::No),
    rule(
        "gdn|gdr|kda|gla|deltarule|rwkv|wkv|retention|hgrn decode|update|mtp|step|t1|packed",
        "linear_attention",
        AttentionDecode,
    )
    .unit(Unit::No),
    // Chunked and parallel forms.
    rule(
        "gdn|gdr|kda|gla|deltarule|rwkv|wkv|retention|hgrn chunked",
        "linear_attention",
        AttentionPrefill,
    )
    .unit(Unit::ByGeneration),
    rule(
        "gdn|gdr|kda|gla|deltarule|delta|rwkv|wkv|retention|hgrn|dplr chunk|fwd|intra|inter",
        "linear_attention",
        AttentionPrefill,
    ),
    rule(
        "gdn|gdr|kda|gla|deltarule|delta|rwkv|wkv|retention|hgrn|dplr parallel|prefill|bwd",
        "linear_attention",
        AttentionPrefill,
    ),
    rule(
        "comba|gsa|abc|based|ttt|mesa|oja|nsa|rebased|deltaformer|iplr fwd|bwd|chunk|parallel",
        "linear_attention",
        AttentionPrefill,
    ),
    rule("recompute w u", "linear_attention", AttentionPrefill).unit(Unit::Dot),
    rule("solve tril", "linear_attention", AttentionPrefill).unit(Unit::Dot),
    rule("scale dot kkt", "linear_attention", AttentionPrefill).unit(Unit::Dot),
    rule("wy repr", "linear_attention", AttentionPrefill).unit(Unit::Dot),
    rule("inverse merge 16x16", "linear_attention", AttentionPrefill).unit(Unit::Dot),
    rule("chunk fwd|bwd !loss|entropy|copy", "linear_attention", AttentionPrefill),
    rule("gdn|gdr|kda|gla|deltarule|rwkv|wkv", "linear_attention", Attention),
    rule("lightning|linear attn", "linear_attention", Attention),
    rule("token shift", "token_shift", Elementwise),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("fused_recurrent_gated_delta_rule_fwd_kernel"),
            "linear_attention attention_decode unknown no unknown"
        );
        assert_eq!(
            line("chunk_gated_delta_rule_fwd_kernel_h_blockdim64"),
            "linear_attention attention_prefill unknown yes unknown"
        );
        assert_eq!(
            line("_selective_scan_update_kernel"),
            "mamba_update attention_decode unknown no unknown"
        );
        assert_eq!(
            line("_chunk_scan_fwd_kernel"),
            "mamba_scan attention_prefill unknown yes unknown"
        );
    }
}

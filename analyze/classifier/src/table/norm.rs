//! Normalisation and its fusions.

use super::{Rule, rule};
use crate::role::Role::{Norm, Rope};

pub(super) const RULES: &[Rule] = &[
    rule("qknorm rope", "qknorm_rope", Rope),
    rule("norm|rmsnorm rope qk|q|k", "qknorm_rope", Rope),
    rule("qknorm", "qknorm", Norm),
    rule("qk norm|rmsnorm|layernorm|l2norm", "qknorm", Norm),
    rule("rmsnorm quant add|residual", "fused_add_rmsnorm_quant", Norm),
    rule("rmsnorm quant", "rmsnorm_quant", Norm),
    rule("rms quant|fp8|mxfp8|mxfp4", "rmsnorm_quant", Norm),
    rule("layernorm quant|fp8 !bwd", "layernorm_quant", Norm),
    rule("rmsnorm gate", "rmsnorm_gated", Norm),
    rule("rmsnorm|rms bwd", "rmsnorm_bwd", Norm),
    rule("rmsnorm add|residual", "fused_add_rmsnorm", Norm),
    rule("rms add|residual norm", "fused_add_rmsnorm", Norm),
    rule("rmsnorm|rms", "rmsnorm", Norm),
    rule("t5 layernorm", "rmsnorm", Norm),
    rule("layernorm|ln bwd", "layernorm_bwd", Norm),
    rule("gamma beta bwd|part|compute", "layernorm_bwd", Norm),
    rule("layernorm add|residual|bias", "fused_add_layernorm", Norm),
    rule("layernorm", "layernorm", Norm),
    rule("ln fwd|finalize|parallel|2d", "layernorm", Norm),
    rule("rowwise moments", "layernorm_stats", Norm),
    rule("groupnorm|gn bwd", "groupnorm_bwd", Norm),
    rule("group norm bwd", "groupnorm_bwd", Norm),
    rule("groupnorm|gn", "groupnorm", Norm),
    rule("group norm", "groupnorm", Norm),
    rule("batchnorm|bn|welford", "batch_norm", Norm),
    rule("batch norm", "batch_norm", Norm),
    rule("instancenorm", "instance_norm", Norm),
    rule("l2norm", "l2norm", Norm),
    rule("weight norm", "weight_norm", Norm),
    rule("local response norm", "norm", Norm),
    rule("renorm !topk|topp|prob", "renorm", Norm),
    rule("norm !l2|lp|reduce|adam|lamb|clip|attn|init|normal", "norm", Norm),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(
            line("void apex::cuApplyRMSNorm<__half, float>(__half*)"),
            "rmsnorm norm fp16 no apex"
        );
        assert_eq!(line("_layer_norm_bwd_kernel"), "layernorm_bwd norm unknown no unknown");
        assert_eq!(
            line("void acme::add_residual_rmsnorm_quant<__half>(__half*)"),
            "fused_add_rmsnorm_quant norm fp16 no unknown"
        );
    }
}

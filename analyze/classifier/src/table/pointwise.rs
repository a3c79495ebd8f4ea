//! Activations, rope, embeddings, softmax, losses, optimizers.

use super::{Rule, Types, rule};
use crate::role::Role::{
    Activation, Copy, Elementwise, Embedding, Loss, Optimizer, Pooling, Rng, Rope, Softmax,
};

pub(super) const RULES: &[Rule] = &[
    // Losses.
    rule("crossentropy", "cross_entropy", Loss),
    rule("ce vocab|parallel", "cross_entropy", Loss),
    rule("loss|nll|nllloss|criterion|bce|mse|kldiv|jsd|focal|hinge|ctc|tvd|grpo", "loss", Loss),
    rule("kl div", "loss", Loss),
    // Rope.
    rule("rope|mrope|yarn", "rope", Rope),
    rule("sbhd|thd cache|uncached", "rope", Rope),
    // Embeddings.
    rule(
        "@fbgemm_gpu permute|bucketize|offsets|rowwise|lengths|jagged|segment|recat|expand|range|fp8rowwise",
        "embedding_other",
        Embedding,
    )
    .types(Types::Storage),
    rule("lru|lfu|lxu cache", "embedding_other", Embedding).types(Types::Storage),
    rule("@onnxruntime gather", "gather", Embedding).types(Types::Storage),
    rule("timestep embedding", "timestep_embedding", Embedding),
    rule("embedding bag bwd", "embedding_bag_bwd", Embedding),
    rule("embedding bag", "embedding_bag", Embedding),
    rule("split embedding bwd", "embedding_bag_bwd", Embedding),
    rule("split embedding fwd|codegen|nobag", "embedding_bag", Embedding),
    rule("tbe", "embedding_bag", Embedding),
    rule("embedding bwd", "embedding_bwd", Embedding),
    rule("compute bwd weight", "embedding_bwd", Embedding),
    rule("bounds check", "bounds_check", Embedding).types(Types::Storage),
    rule("vocab embedding", "embedding", Embedding).types(Types::Storage),
    rule(
        "embedding lookup|gather|fwd|token|word|vocab|positional|position|pos|start|concat|input",
        "embedding",
        Embedding,
    ),
    rule("embedding !rope|norm|layernorm", "embedding", Embedding),
    rule("posemb", "embedding", Embedding),
    rule("lookup", "embedding", Embedding),
    rule("indexselect", "index_select", Embedding),
    rule("index select small|large", "index_select", Embedding),
    // Optimizers.
    rule(
        "optimizer 8bit|static8bit|blockwise|32bit|32bit1|32bit2|static",
        "optimizer_8bit",
        Optimizer,
    ),
    rule(
        "adam|sgd|lamb|adagrad|lion|muon|momentum|rmsprop|adafactor|ademamix|optimizer|lars|novograd",
        "optimizer",
        Optimizer,
    ),
    // Activations.
    rule("silu mul !bwd", "silu_and_mul", Activation),
    rule("activation mul", "act_and_mul", Activation),
    rule("and mul", "act_and_mul", Activation),
    rule(
        "swigluoai|swiglustep|fatrelu|swiglu|geglu|reglu|silu|gelu|relu mul|and|gate",
        "act_and_mul",
        Activation,
    ),
    rule("gate activation", "act_and_mul", Activation),
    rule("bias activation|gelu|relu|silu mul", "bias_act_mul", Activation),
    rule("bias activation", "bias_act_mul", Activation),
    rule("bias gelu", "bias_gelu", Activation),
    rule("swiglu|geglu|reglu|glu", "act_and_mul", Activation),
    rule("gelu", "gelu", Activation),
    rule("silu", "silu", Activation),
    rule("sigmoid", "sigmoid", Activation),
    rule("relu|relu2|relu6|lrelu|prelu", "relu_threshold", Activation),
    rule("hardswish", "hardswish", Activation),
    rule("activation !quant|offload", "activation", Activation),
    rule("dyt", "activation", Activation),
    rule("mish|elu|selu|softplus|hardtanh|swish|snake", "activation", Activation),
    rule("tanh", "tanh", Activation),
    // Softmax.
    rule("softmax bwd", "softmax_bwd", Softmax),
    rule("softmax|sparsemax", "softmax", Softmax),
    rule("logsumexp", "softmax", Softmax),
    // Pooling.
    rule("avg|average|avgpool pool|pooling|adaptive", "avg_pool", Pooling).types(Types::Any),
    rule("average|avg pool", "avg_pool", Pooling).types(Types::Any),
    rule("adaptive avg|average", "avg_pool", Pooling).types(Types::Any),
    rule("max pool|pooling|pool2d|pool3d", "max_pool", Pooling),
    rule("maxpool|maxpool2d", "max_pool", Pooling),
    rule("pool|pooling|pool2d|avgpool|avgpool2d|poolings !token|req", "pooling", Pooling),
    rule("roi|roialign|roipool|psroi", "roi_pool", Pooling),
    // Image resampling.
    rule(
        "upsample|upsample2d|interpolate|resize|bilinear|bicubic|nearest|gridsampler",
        "upsample",
        Elementwise,
    ),
    rule("grid sampling", "grid_sample", Elementwise),
    rule("alibi", "alibi_add", Elementwise),
    // Random numbers.
    rule("dropout", "dropout", Elementwise),
    rule("random|rng|curand|philox|uniform|bernoulli|xorwow", "rng", Rng).types(Types::Storage),
    rule("bias transpose", "bias_transpose", Copy),
];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn names_of_libraries_not_listed() {
        assert_eq!(line("_rope_kernel"), "rope rope unknown no unknown");
        assert_eq!(line("liger_cross_entropy_kernel"), "cross_entropy loss unknown no unknown");
        assert_eq!(
            line("void acme::silu_and_mul<__half>(__half*)"),
            "silu_and_mul activation fp16 no unknown"
        );
        assert_eq!(
            line("void acme::adam_kernel<float>(float*)"),
            "optimizer optimizer fp32 no unknown"
        );
    }
}

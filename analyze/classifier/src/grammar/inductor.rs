//! TorchInductor's generated Triton kernels.
//!
//! `triton_{poi|red|per|tem|for|spl}_fused_{aten ops joined by _}_{N}`: pointwise, reduction,
//! persistent reduction, template (a matrix multiply or attention), foreach, split scan; before
//! torch 2.1 plain `triton__0d1d2d`. The ops name what was fused, not what the kernel is:
//! `triton_per_fused_add_addmm_native_layer_norm` reduces and contains no GEMM; only `tem` does.
//! Names carry no type. Source: pytorch `torch/_inductor/codegen/triton.py`.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    let rest = symbol.strip_prefix("triton_")?;
    if rest.starts_with("_0") || rest.starts_with("__") || rest.is_empty() {
        return Some(class("fused_", Role::Elementwise, "Inductor kernel before torch 2.1"));
    }
    let (kind, ops) = rest.split_once('_')?;
    if !matches!(
        kind,
        "poi" | "red" | "per" | "tem" | "for" | "spl" | "unk" | "mm" | "mix" | "cooperative"
    ) {
        return None;
    }
    let ops = ops.strip_prefix("fused").unwrap_or(ops).trim_start_matches('_');
    let ops = Ops(ops);
    Some(match kind {
        "tem" | "mm" => template(&ops),
        "red" | "per" | "cooperative" | "mix" => reduction(&ops),
        "spl" => class("cumsum", Role::Scan, "Inductor split scan"),
        _ => pointwise(&ops),
    })
}

struct Ops<'a>(&'a str);

impl Ops<'_> {
    /// Whether the op occurs as whole words: `layer_norm` in `add_native_layer_norm_view`.
    fn has(&self, op: &str) -> bool {
        let bytes = self.0.as_bytes();
        self.0.match_indices(op).any(|(at, _)| {
            let before = at == 0 || bytes[at - 1] == b'_';
            let end = at + op.len();
            let after = end == bytes.len() || bytes[end] == b'_';
            before && after
        })
    }

    /// Ops other than the named ones, views and conversions; trailing counters do not count.
    fn others(&self, own: &[&str]) -> bool {
        let mut rest = self.0.to_owned();
        for op in own.iter().chain(&SILENT_OPS) {
            rest = rest.replace(op, "");
        }
        rest.split('_')
            .any(|word| !word.is_empty() && !word.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

const SILENT_OPS: [&str; 10] = [
    "to_copy",
    "unsafe_view",
    "clone",
    "view",
    "unsqueeze",
    "permute",
    "transpose",
    "expand",
    "detach",
    "_t_",
];

fn class(operation: &'static str, role: Role, why: &'static str) -> KernelClass {
    KernelClass::new("inductor", operation, role, why)
        .computes(Dtype::Unknown, "Inductor names carry no type")
}

fn template(ops: &Ops<'_>) -> KernelClass {
    let why = "Inductor template";
    let backward = ops.has("backward");
    let class = if ops.has("flex_attention")
        || ops.has("flex_decoding")
        || ops.has("scaled_dot_product_attention")
    {
        match (backward, ops.has("flex_decoding")) {
            (true, _) => class("attention_bwd", Role::Attention, why),
            (_, true) => class("attention_fwd", Role::AttentionDecode, why),
            _ => class("attention_fwd", Role::Attention, why),
        }
    } else if ops.has("convolution") || ops.has("conv2d") {
        class(if backward { "conv_dgrad" } else { "conv_fprop" }, Role::Conv, why)
    } else if ops.has("bmm") || ops.has("baddbmm") {
        class(
            if ops.others(&["baddbmm", "bmm"]) { "gemm_fused" } else { "batched_gemm" },
            Role::Gemm,
            why,
        )
    } else if ops.has("grouped_mm") {
        class("grouped_gemm", Role::Gemm, why)
    } else {
        class(if ops.others(&["addmm", "mm"]) { "gemm_fused" } else { "gemm" }, Role::Gemm, why)
    };
    class.on_tensor_cores(
        TensorCore::Unknown,
        Confidence::Low,
        "the operand type decides, and the name has none",
    )
}

fn reduction(ops: &Ops<'_>) -> KernelClass {
    let why = "Inductor reduction";
    if ops.has("layer_norm_backward") || ops.has("native_layer_norm_backward") {
        return class("layernorm_bwd", Role::Norm, why);
    }
    if ops.has("native_group_norm") || ops.has("group_norm") {
        return class("groupnorm", Role::Norm, why);
    }
    if ops.has("native_batch_norm") || ops.has("batch_norm") || ops.has("_native_batch_norm_legit")
    {
        return class("batch_norm", Role::Norm, why);
    }
    let embeds = ops.has("embedding");
    let rms = ops.has("rms_norm")
        || ops.has("rsqrt") && ops.has("mean") && (ops.has("pow") || ops.has("mul"));
    let layer = ops.has("native_layer_norm")
        || ops.has("layer_norm")
        || ops.has("var_mean") && ops.has("rsqrt");
    if embeds && (rms || layer) {
        return class("embedding_norm_fused", Role::Norm, why);
    }
    if layer {
        let fused = ops.others(&["native_layer_norm", "layer_norm"]);
        return class(if fused { "layernorm_fused" } else { "layernorm" }, Role::Norm, why);
    }
    if ops.has("fused_add_rms_norm") {
        return class("fused_add_rmsnorm", Role::Norm, why);
    }
    if rms {
        let plain = ["rms_norm", "rsqrt", "mean", "pow", "mul", "add"];
        return class(
            if ops.others(&plain) { "rmsnorm_fused" } else { "rmsnorm" },
            Role::Norm,
            why,
        );
    }
    if ops.has("_softmax_backward_data") || ops.has("softmax_backward_data") {
        return class("softmax_bwd", Role::Softmax, why);
    }
    if ops.has("softmax") || ops.has("_softmax") || ops.has("_log_softmax") {
        return class("softmax", Role::Softmax, why);
    }
    if ops.has("nll_loss_forward") || ops.has("nll_loss_backward") {
        return class("nll_loss", Role::Loss, why);
    }
    if ops.has("cumsum") || ops.has("cumprod") {
        return class("cumsum", Role::Scan, why);
    }
    if ops.has("argmax") {
        return class("reduce_argmax", Role::Sampling, why);
    }
    if ops.has("sort") || ops.has("topk") {
        return class("sort", Role::Sort, why);
    }
    class("fused_red", Role::Reduce, why)
}

fn pointwise(ops: &Ops<'_>) -> KernelClass {
    let why = "Inductor pointwise";
    if ops.has("silu") && ops.has("mul") {
        return class("silu_mul", Role::Activation, why);
    }
    if ops.has("gelu") || ops.has("silu") || ops.has("relu") || ops.has("leaky_relu") {
        return class("activation", Role::Activation, why);
    }
    if ops.0.starts_with("embedding") && !ops.others(&["embedding"]) {
        return class("embedding", Role::Embedding, why);
    }
    class("fused_poi", Role::Elementwise, why)
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn only_templates_multiply_matrices() {
        assert_eq!(line("triton_tem_fused_mm_3"), "gemm gemm unknown unknown inductor");
        assert_eq!(
            line("triton_tem_fused_addmm_relu_t_2"),
            "gemm_fused gemm unknown unknown inductor"
        );
        assert_eq!(
            line("triton_per_fused_add_addmm_native_layer_norm_2"),
            "layernorm_fused norm unknown no inductor"
        );
        assert_eq!(
            line("triton_poi_fused_add_all_reduce_2"),
            "fused_poi elementwise unknown no inductor"
        );
    }

    #[test]
    fn norms_are_recognised_by_their_parts() {
        assert_eq!(
            line("triton_red_fused_add_mean_mul_pow_rsqrt_0"),
            "rmsnorm norm unknown no inductor"
        );
        assert_eq!(line("triton_per_fused__softmax_0"), "softmax softmax unknown no inductor");
        assert_eq!(
            line("triton_poi_fused__unsafe_view_mul_silu_2"),
            "silu_mul activation unknown no inductor"
        );
    }
}

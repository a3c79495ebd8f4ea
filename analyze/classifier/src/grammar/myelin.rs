//! TensorRT's Myelin compiler and its runtime helpers.
//!
//! `__myl_{Ops}_{myl0_8|0x<hash>}`: the fused operations as capitalised four-letter words. `Fc`
//! (also `Mm`, `Gemm`) is a matrix multiply with the rest as its epilogue, so
//! `__myl_FcNegExpAddDivMulMul` is a GEMM with SiLU and `__myl_FcAddCastMeanSub…Sqrt…` a GEMM with
//! layer norm. Names never carry a type. TensorRT's own helpers follow by namespace.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    if let Some(rest) = symbol.strip_prefix("__myl_") {
        let ops = rest.split('_').next().unwrap_or(rest);
        return Some(fused(&capitalised(ops)));
    }
    helper(name)
}

fn class(operation: &'static str, role: Role, why: &'static str) -> KernelClass {
    KernelClass::new("tensorrt_myelin", operation, role, why)
        .computes(Dtype::Unknown, "Myelin names carry no type")
}

fn fused(ops: &[&str]) -> KernelClass {
    let has = |op: &str| ops.contains(&op);
    let any = |list: &[&str]| list.iter().any(|op| ops.contains(op));
    let normalises = has("Mean") && any(&["Sqrt", "Rsqrt", "Rsqr"]);
    let silu = any(&["Silu", "Sigm"]) && has("Mul") || has("Neg") && has("Exp") && has("Div");
    let matmul = any(&["Fc", "Mm", "Gemm", "Matm", "Bmm"]);
    let attention = any(&["Mha", "Fmha", "Atte", "Attn", "Mmha"]);
    let convolution = any(&["Conv", "Cnv"]) && !has("Conc") && !has("Cast") || has("Deconv");
    if matmul || attention || convolution {
        let (operation, role) = match (attention, convolution) {
            (true, _) => ("attention_fwd", Role::Attention),
            (_, true) => ("conv_fprop", Role::Conv),
            _ if normalises => ("gemm_fused_norm", Role::Gemm),
            _ if silu => ("gemm_fused_silu", Role::Gemm),
            _ if ops.last() == Some(&"Add") || ops.get(1) == Some(&"Add") => {
                ("gemm_bias", Role::Gemm)
            }
            _ if ops
                .iter()
                .any(|op| !matches!(*op, "Fc" | "Mm" | "Cast" | "Resh" | "Tran" | "Move")) =>
            {
                ("gemm_fused", Role::Gemm)
            }
            _ => ("gemm", Role::Gemm),
        };
        return class(operation, role, "Myelin matrix-multiply op").on_tensor_cores(
            TensorCore::Unknown,
            Confidence::Low,
            "Myelin names carry no type, which decides",
        );
    }
    if normalises {
        return class("norm_fused", Role::Norm, "Myelin Mean and Sqrt");
    }
    if any(&["Soft", "Smax"])
        || has("Exp") && has("Sum") && has("Div")
        || has("Max") && has("Exp") && has("Sum")
    {
        return class("softmax", Role::Softmax, "Myelin softmax ops");
    }
    if silu || any(&["Gelu", "Relu", "Silu", "Tanh", "Erf"]) {
        return class("activation", Role::Activation, "Myelin activation ops");
    }
    if any(&["Topk", "Sort"]) {
        return class("topk", Role::Sampling, "Myelin top-k");
    }
    if any(&["Quan", "Quant", "Qnt"]) {
        return class("quantize", Role::Quantize, "Myelin quantize");
    }
    if any(&["Dequ", "Deq"]) {
        return class("dequantize", Role::Dequantize, "Myelin dequantize");
    }
    if any(&["Gath", "Gthr", "Embe"]) {
        return class("gather", Role::Embedding, "Myelin gather");
    }
    if any(&["Max", "Sum", "Mean", "Redu", "Min", "Prod"]) {
        return class("reduce", Role::Reduce, "Myelin reduction");
    }
    let moves = |op: &&str| {
        matches!(
            *op,
            "Move"
                | "Resh"
                | "Tran"
                | "Conc"
                | "Slic"
                | "Repl"
                | "Shuf"
                | "Pad"
                | "Copy"
                | "Split"
                | "Expa"
        )
    };
    if !ops.is_empty() && ops.iter().all(moves) {
        return class("copy", Role::Copy, "Myelin data movement");
    }
    if ops.iter().all(|op| *op == "Cast") && !ops.is_empty() {
        return class("cast", Role::Cast, "Myelin cast");
    }
    class("elementwise", Role::Elementwise, "Myelin pointwise ops")
}

/// `FcAddCast` → `Fc Add Cast`
fn capitalised(ops: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, character) in ops.char_indices().skip(1) {
        if character.is_ascii_uppercase() {
            out.push(&ops[start..at]);
            start = at;
        }
    }
    if start < ops.len() {
        out.push(&ops[start..]);
    }
    out
}

/// Kernels TensorRT runs around its layers.
fn helper(name: &Name<'_>) -> Option<KernelClass> {
    let function = name.function();
    let make =
        |operation, role| Some(KernelClass::new("tensorrt", operation, role, "TensorRT helper"));
    if name.within("genericReformat") || name.within("cuInt8") || name.within("cuSliceLayer") {
        return make("layout_transform", Role::Copy);
    }
    if function.starts_with("generatedNative")
        || function.starts_with("PWN_")
        || function.starts_with("PWGEN")
    {
        return make("elementwise", Role::Elementwise);
    }
    if function.starts_with("permutationKernelPLC") {
        return make("transpose", Role::Copy);
    }
    if name.within("cudnn") {
        return None;
    }
    if function.starts_with("poolCoalesced") {
        return make("pooling", Role::Pooling);
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn fc_is_a_matrix_multiply_with_an_epilogue() {
        assert_eq!(
            line("__myl_FcNegExpAddDivMul_myl0_3"),
            "gemm_fused_silu gemm unknown unknown tensorrt_myelin"
        );
        assert_eq!(
            line("__myl_FcAddMeanSubMulMeanAddSqrtDiv_myl1_9"),
            "gemm_fused_norm gemm unknown unknown tensorrt_myelin"
        );
        assert_eq!(
            line("__myl_FcAdd_0xdeadbeef"),
            "gemm_bias gemm unknown unknown tensorrt_myelin"
        );
    }

    #[test]
    fn the_rest_multiplies_nothing() {
        assert_eq!(
            line("__myl_MulAddAdd_myl0_1"),
            "elementwise elementwise unknown no tensorrt_myelin"
        );
        assert_eq!(line("__myl_MoveConcResh_myl0_1"), "copy copy unknown no tensorrt_myelin");
        assert_eq!(
            line("__myl_MaxSubExpSumDiv_myl0_1"),
            "softmax softmax unknown no tensorrt_myelin"
        );
    }
}

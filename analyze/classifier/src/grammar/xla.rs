//! XLA's generated kernels (JAX, TensorFlow).
//!
//! `{loop|input|transpose|…}_{ops}_fusion[_N]`, `wrapped_{op}`, `gemm_fusion_dot_N` and
//! `triton_gemm_dot_N` (Triton matrix multiplies), `triton_softmax_N`, `input_reduce_fusion`,
//! `cudnn_fusion`, `__cublas…` custom calls never reach the device under their own name. No type in
//! the name. Source: openxla/xla `xla/service/gpu`.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    if !name.is_plain || !symbol.is_ascii() {
        return None;
    }
    let fields: Vec<&str> = symbol.split(['_', '.']).filter(|field| !field.is_empty()).collect();
    let has = |field: &str| fields.contains(&field);
    let make = |operation, role| {
        KernelClass::new("xla", operation, role, "XLA kernel name")
            .computes(Dtype::Unknown, "XLA names carry no type")
    };
    let gemm_fusion = symbol.starts_with("gemm_fusion_dot")
        || symbol.starts_with("triton_gemm")
        || symbol.starts_with("dot_fusion")
        || symbol.contains("gemm_fusion");
    if gemm_fusion {
        return Some(make("gemm", Role::Gemm).on_tensor_cores(
            TensorCore::Unknown,
            Confidence::Low,
            "the operand type decides, and the name has none",
        ));
    }
    if symbol.starts_with("triton_softmax") {
        return Some(make("softmax", Role::Softmax));
    }
    let is_fusion = has("fusion")
        || symbol.starts_with("wrapped_")
        || has("computation") && symbol.starts_with("fused");
    if !is_fusion {
        return None;
    }
    let any = |list: &[&str]| list.iter().any(|field| has(field));
    Some(if symbol.starts_with("wrapped_") {
        let op = fields.get(1).copied().unwrap_or("");
        match op {
            "convert" => make("cast", Role::Cast),
            "transpose" | "copy" | "slice" | "concatenate" | "pad" | "bitcast" | "reverse" => {
                make("copy", Role::Copy)
            }
            "reduce" => make("reduce", Role::Reduce),
            "gather" => make("gather", Role::Index),
            "scatter" => make("scatter", Role::Index),
            "broadcast" | "iota" => make("fill", Role::Fill),
            "rng" => make("rng", Role::Rng),
            "tanh" | "logistic" => make("activation", Role::Activation),
            _ => make("elementwise", Role::Elementwise),
        }
    } else if symbol.starts_with("input_reduce") || any(&["reduce"]) && !any(&["precision"]) {
        make("reduce", Role::Reduce)
    } else if symbol.starts_with("transpose") || symbol.starts_with("input_transpose") {
        make("transpose", Role::Copy)
    } else if any(&["scatter", "gather"]) {
        make("scatter_gather", Role::Index)
    } else if any(&["concatenate", "slice", "copy", "transpose"])
        && !any(&["multiply", "add", "subtract"])
    {
        make("copy", Role::Copy)
    } else {
        make("elementwise", Role::Elementwise)
    })
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn fusions() {
        assert_eq!(line("loop_add_multiply_fusion_3"), "elementwise elementwise unknown no xla");
        assert_eq!(line("input_reduce_fusion"), "reduce reduce unknown no xla");
        assert_eq!(line("gemm_fusion_dot_42"), "gemm gemm unknown unknown xla");
        assert_eq!(line("wrapped_convert"), "cast cast unknown no xla");
    }
}

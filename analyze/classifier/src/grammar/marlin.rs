//! Marlin: weight-only and W4A8 matrix multiplies of vLLM, SGLang and AutoGPTQ.
//!
//! `marlin::Marlin<__half, weight_id, …>` or, since vLLM 0.10, `Marlin<a_id, b_id, c_id, s_id, …>`
//! where an id is `vllm::ScalarType::id()`: exponent bits (8), mantissa bits (8), signed (1), bias
//! (32), finite-only (1), NaN encoding (8), from the least significant bit up. Weights are
//! converted to the activation type, so that is what the multiply runs in. Source:
//! vllm-project/vllm
//! `csrc/core/scalar_type.hpp`.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    if !matches!(
        function,
        "Marlin" | "Marlin_24" | "MarlinMoE" | "MarlinMoESingle" | "marlin_gemm" | "Marlin_generic"
    ) {
        return None;
    }
    let is_moe =
        function.starts_with("MarlinMoE") || name.namespaces().any(|space| space.contains("moe"));
    let operation = if is_moe { "grouped_gemm_wna16" } else { "gemm_wna16" };
    let mut args = name.args(name.template());
    let first = args.next();
    let typed = first.and_then(|arg| name.real(arg));
    let decoded = first.and_then(|arg| name.number(arg)).and_then(scalar_type);
    let weight = args.next().and_then(|arg| name.number(arg)).and_then(scalar_type);
    let class = KernelClass::new("marlin", operation, Role::Gemm, "Marlin").on_tensor_cores(
        TensorCore::Yes,
        Confidence::High,
        "Marlin multiplies on tensor cores",
    );
    let class = match (typed, decoded) {
        (Some(dtype), _) => class.computes(dtype, "activation type argument"),
        (None, Some(dtype)) => class.computes(dtype, "activation id decoded from vllm::ScalarType"),
        (None, None) if name.namespaces().any(|space| space.contains("qqq")) => {
            class.computes(Dtype::Int8, "Marlin QQQ multiplies in int8")
        }
        (None, None) => class
            .computes(Dtype::Fp16, "the first Marlin, without type arguments, is fp16 only")
            .dtype_confidence(Confidence::Medium),
    };
    Some(match weight {
        Some(weight) => class.stores(weight, "weight id decoded from vllm::ScalarType"),
        None => class,
    })
}

/// Decodes `vllm::ScalarType::id()`.
pub(crate) fn scalar_type(id: i64) -> Option<Dtype> {
    // Tile sizes stand where ids do in older versions; an id has its NaN field set or a bias.
    if id < 1 << 16 {
        return None;
    }
    let exponent = id & 0xff;
    let mantissa = (id >> 8) & 0xff;
    let is_signed = (id >> 16) & 1 == 1;
    Some(match (exponent, mantissa, is_signed) {
        (0, 3 | 4, _) => Dtype::Int4,
        (0, 7, true) => Dtype::Int8,
        (0, 8, false) => Dtype::Uint8,
        (8, 7, true) => Dtype::Bf16,
        (5, 10, true) => Dtype::Fp16,
        (4, 3, true) => Dtype::Fp8E4m3,
        (5, 2, true) => Dtype::Fp8E5m2,
        (2, 1, true) => Dtype::Fp4,
        (3, 2, true) | (2, 3, true) => Dtype::Fp6,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::tests::line;

    #[test]
    fn ids_decode_from_their_bits() {
        let id = |exponent: i64, mantissa: i64, signed: i64, bias: i64, finite: i64, nan: i64| {
            exponent | mantissa << 8 | signed << 16 | bias << 17 | finite << 49 | nan << 50
        };
        assert_eq!(scalar_type(id(8, 7, 1, 0, 0, 1)), Some(Dtype::Bf16));
        assert_eq!(scalar_type(id(5, 10, 1, 0, 0, 1)), Some(Dtype::Fp16));
        assert_eq!(scalar_type(id(0, 7, 1, 0, 0, 1)), Some(Dtype::Int8));
        assert_eq!(scalar_type(id(0, 4, 0, 8, 0, 1)), Some(Dtype::Int4));
        assert_eq!(scalar_type(id(4, 3, 1, 0, 1, 2)), Some(Dtype::Fp8E4m3));
        assert_eq!(scalar_type(256), None);
    }

    #[test]
    fn activation_decides_the_math_type() {
        assert_eq!(
            line(
                "void marlin::Marlin<1125899906909960l, 1125899907892224l, 1125899906909960l, 1125899906909960l, 256, 1, 8, 8, true, 4, 8, false>(int4 const*)"
            ),
            "gemm_wna16 gemm bf16 yes marlin"
        );
        assert_eq!(
            line(
                "void marlin_moe_wna16::Marlin<__half, 1125899923621888l, 128, 1, 4, 8, true, 4, 8, false>(int4 const*)"
            ),
            "grouped_gemm_wna16 gemm fp16 yes marlin"
        );
        assert_eq!(
            line("void Marlin<256, 4, 16, 4, 4, 8>(int4 const*)"),
            "gemm_wna16 gemm fp16 yes marlin"
        );
    }
}

//! DeepGEMM: `deep_gemm::sm{90|100}_{types}_gemm_{1d1d|1d2d}_impl<…, (deep_gemm::GemmType)n, …>`.
//!
//! `fp8` is e4m3. Where the template names element types they decide
//! (`sm100_fp8_fp4_gemm_1d1d_impl` runs e4m3 × e4m3 in some models). `GemmType` 0 is a plain GEMM,
//! anything else grouped. The MQA logits kernels are the lightning indexer's attention scores.
//! Source: deepseek-ai/DeepGEMM
//! `deep_gemm/include/deep_gemm/impls`.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    let inside = name.within("deep_gemm");
    let has = |part: &str| function.contains(part);
    let is_detached = has("fp8_gemm") && has("impl");
    if !inside && !is_detached {
        return None;
    }
    let tags: Vec<Dtype> = function.split('_').filter_map(dtype::from_tag).map(e4m3).collect();
    if has("logits") && !has("metadata") && !has("clean") {
        return Some(
            KernelClass::new("deepgemm", "attention_logits", Role::Attention, "indexer logits")
                .computes(tags.first().copied().unwrap_or(Dtype::Unknown), "type field")
                .on_tensor_cores(
                    TensorCore::Yes,
                    Confidence::High,
                    "DeepGEMM multiplies on tensor cores",
                ),
        );
    }
    if has("transpose") || has("pack") {
        return Some(KernelClass::new(
            "deepgemm",
            "layout_transform",
            Role::Copy,
            "scale layout change",
        ));
    }
    if has("metadata") || has("clean") {
        return Some(KernelClass::new(
            "deepgemm",
            "gemm_metadata",
            Role::Metadata,
            "bookkeeping for the logits",
        ));
    }
    if !has("gemm") && !has("bmk") && !has("bhr") && !has("einsum") {
        return None;
    }
    let span = name.template();
    let is_grouped = name.args(span).any(|arg| {
        name.cast(arg) == Some("GemmType") && name.number(arg).is_some_and(|value| value != 0)
            || name.head(arg).starts_with("MGrouped")
    }) || has("grouped");
    let mut elements = name
        .args(span)
        .filter_map(|arg| name.real(arg))
        .filter(|dtype| dtype.is_narrow_real() && dtype.bits() != Some(16));
    let dtype = match (elements.next(), elements.next(), tags.as_slice()) {
        (Some(a), Some(b), _) => tags::multiply(a, b),
        (_, _, [a, b, ..]) if *a != *b => tags::multiply(*a, *b),
        (Some(a), None, _) => a,
        (None, _, [a, ..]) => *a,
        _ => Dtype::Fp8E4m3,
    };
    let class = KernelClass::new(
        "deepgemm",
        if is_grouped { "grouped_gemm" } else { "gemm" },
        Role::Gemm,
        "DeepGEMM",
    )
    .computes(dtype, "element types, else the type field of the name")
    .on_tensor_cores(TensorCore::Yes, Confidence::High, "DeepGEMM multiplies on tensor cores");
    Some(match tags::arch(function.split('_')) {
        Some(arch) => class.with(VariantKind::Arch, arch),
        None => class,
    })
}

fn e4m3(dtype: Dtype) -> Dtype {
    if dtype == Dtype::Fp8 { Dtype::Fp8E4m3 } else { dtype }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn types_and_grouping() {
        assert_eq!(
            line(
                "void deep_gemm::sm90_fp8_gemm_1d2d_impl<0u, 128u, 512u, 1u, 64u, 128u, 128u, (deep_gemm::GemmType)0>(float*)"
            ),
            "gemm gemm fp8_e4m3 yes deepgemm"
        );
        assert_eq!(
            line(
                "void deep_gemm::sm90_bf16_gemm_impl<0u, 4096u, 64u, (deep_gemm::GemmType)2>(int*)"
            ),
            "grouped_gemm gemm bf16 yes deepgemm"
        );
        assert_eq!(
            line(
                "void deep_gemm::sm100_fp8_fp4_gemm_1d1d_impl<128u, (deep_gemm::GemmType)1, cutlass::float_e4m3_t, cutlass::float_e4m3_t, cutlass::bfloat16_t>(int*)"
            ),
            "grouped_gemm gemm fp8_e4m3 yes deepgemm"
        );
        assert_eq!(
            line(
                "void deep_gemm::sm100_fp8_fp4_gemm_1d1d_impl<128u, (deep_gemm::GemmType)1>(int*)"
            ),
            "grouped_gemm gemm mixed_fp8_fp4 yes deepgemm"
        );
    }
}

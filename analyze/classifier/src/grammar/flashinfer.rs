//! FlashInfer's attention kernels.
//!
//! `BatchPrefillWith{Paged,Ragged}KVCacheKernel<KernelTraits<mask, CTA_TILE_Q, …, Q, KV, O, …>>`
//! runs on tensor cores and, paged, serves decode too (`CTA_TILE_Q` 16);
//! `BatchDecodeWithPagedKVCacheKernel` and `SingleDecode…` run on CUDA cores; MLA kernels run on
//! tensor cores. nsys prints only `Params` for the decode kernels, so their type may be missing.
//! Source: flashinfer `include/flashinfer/attention`.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    let is_ours = name.within("flashinfer")
        || function.contains("WithKVCache")
        || function.contains("WithPagedKVCache")
        || function.contains("WithRaggedKVCache")
        || function.contains("MLAPage");
    if !is_ours {
        return None;
    }
    let has = |part: &str| function.contains(part);
    let (operation, role, unit) = if has("MLAPage") || has("MlaCute") {
        ("attention_mla", Role::AttentionDecode, TensorCore::Yes)
    } else if has("DecodeWith") && has("MLA") {
        ("attention_mla", Role::AttentionDecode, TensorCore::No)
    } else if has("DecodeWith") {
        ("attention_fwd", Role::AttentionDecode, TensorCore::No)
    } else if has("PrefillWithRagged") || has("SinglePrefillWith") {
        ("attention_fwd", Role::AttentionPrefill, TensorCore::Yes)
    } else if has("PrefillWith")
        || has("PODWith")
        || has("BatchPOD")
        || function == "PersistentKernelTemplate"
    {
        ("attention_fwd", Role::Attention, TensorCore::Yes)
    } else if has("AttentionSum") || has("MergeState") {
        ("attention_combine", Role::Attention, TensorCore::No)
    } else {
        return None;
    };
    let dtype = name.first_real(name.template()).or_else(|| name.param_real());
    // The first element type is Q's; attention over fp32 falls back to CUDA-free TF32 nowhere here.
    let why = match unit {
        TensorCore::Yes => "FlashInfer prefill and MLA multiply on tensor cores",
        _ if role == Role::AttentionDecode => "FlashInfer decode runs on CUDA cores",
        _ => "weighted sum of partial results",
    };
    let class = KernelClass::new("flashinfer", operation, role, "FlashInfer kernel name")
        .on_tensor_cores(unit, Confidence::High, why);
    Some(match dtype {
        Some(dtype) => class.computes(dtype, "query type argument"),
        None => class.computes(Dtype::Unknown, "the type is hidden behind Params"),
    })
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn prefill_and_decode() {
        assert_eq!(
            line(
                "void flashinfer::BatchPrefillWithPagedKVCacheKernel<flashinfer::KernelTraits<(flashinfer::MaskMode)1, 64u, 1u, 8u, __half, __half, __half, float, int>, flashinfer::PagedParams<__half, __half, __half, int>>(T2)"
            ),
            "attention_fwd attention fp16 yes flashinfer"
        );
        assert_eq!(
            line(
                "void flashinfer::BatchPrefillWithRaggedKVCacheKernel<flashinfer::KernelTraits<(flashinfer::MaskMode)1, 128u, __nv_bfloat16>>(T2)"
            ),
            "attention_fwd attention_prefill bf16 yes flashinfer"
        );
        assert_eq!(
            line(
                "void flashinfer::BatchDecodeWithPagedKVCacheKernel<(flashinfer::PosEncodingMode)0, 2u, 4u, 8u, 16u, Params>(T6)"
            ),
            "attention_fwd attention_decode unknown no flashinfer"
        );
    }
}

//! TensorRT and TensorRT-LLM fused multi-head attention, generation 2.
//!
//! `fmha_v2_flash_attention_{type}_{tileM}_{tileN}_S_[qkv_|q_kv_]{head_dim}_[causal_]sm{arch}_kernel`
//! is the context (prefill) kernel; the same grammar names `fused_multihead_attention_v2_*`,
//! `fmha_mhca_*` and APEX's `fmha_fprop_*`. A second type (`fp16_fp32`) is the accumulator.
//! `_gemm_mha_v2_0x…` is Myelin's attention, without a type in the name.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

const PREFIXES: [&str; 7] = [
    "fmha_v2_",
    "fmha_mhca_",
    "fused_multihead_attention_",
    "fused_multihead_cross_attention_",
    "fmha_fprop_",
    "fmha_dgrad_",
    "fused_mha_",
];

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    if symbol.starts_with("_gemm_mha_v2") {
        return Some(
            KernelClass::new(
                "tensorrt_myelin",
                "attention_fwd",
                Role::Attention,
                "Myelin attention",
            )
            .computes(Dtype::Unknown, "Myelin names carry no type")
            .on_tensor_cores(
                TensorCore::Yes,
                Confidence::Medium,
                "Myelin attention is built for tensor cores",
            ),
        );
    }
    if symbol == "kernel_mha" || symbol.starts_with("kernel_mha_") {
        return Some(xqa(name));
    }
    let prefix = PREFIXES.into_iter().find(|prefix| symbol.starts_with(prefix))?;
    let fields: Vec<&str> = symbol[prefix.len()..].split('_').collect();
    let dtype = fields.iter().find_map(|field| dtype::from_tag(field))?;
    let is_backward = prefix == "fmha_dgrad_";
    let (operation, role) = if is_backward {
        ("attention_bwd", Role::Attention)
    } else {
        ("attention_fwd", Role::AttentionPrefill)
    };
    let mut class =
        KernelClass::new("trtllm_fmha_v2", operation, role, format!("prefix \"{prefix}\""))
            .computes(
                if dtype == Dtype::Fp32 { Dtype::Tf32 } else { dtype },
                "type field of the FMHA name",
            )
            .on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                "fused multi-head attention runs on tensor cores",
            );
    if let Some(arch) = tags::arch(fields.iter().copied()) {
        class = class.with(VariantKind::Arch, arch);
    }
    Some(class)
}

/// TensorRT-LLM's XQA, the decode kernel for grouped queries, as ONNX Runtime and FlashInfer build
/// it:
/// `H64::grp8_bf16_fp8_paged::kernel_mha(.., Vec<__nv_bfloat16, 64>*, ..)`. Queries are 16 bit
/// whatever the cache holds.
fn xqa(name: &Name<'_>) -> KernelClass {
    let tag = || name.namespaces().flat_map(|space| space.split('_')).find_map(dtype::from_tag);
    let dtype = name
        .find_real(name.params(), |dtype| dtype.is_narrow_real() && dtype.bits() == Some(16))
        .or_else(tag);
    KernelClass::new("trtllm", "attention_fwd", Role::AttentionDecode, "XQA")
        .computes(dtype.unwrap_or(Dtype::Unknown), "query element type")
        .on_tensor_cores(TensorCore::Yes, Confidence::Medium, "XQA multiplies on tensor cores")
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn context_kernels() {
        assert_eq!(
            line("fmha_v2_flash_attention_bf16_64_128_S_qkv_128_causal_sm90_kernel"),
            "attention_fwd attention_prefill bf16 yes trtllm_fmha_v2"
        );
        assert_eq!(
            line("fmha_v2_flash_attention_e4m3_64_256_S_qkv_128_causal_tma_ws_sm90_kernel"),
            "attention_fwd attention_prefill fp8_e4m3 yes trtllm_fmha_v2"
        );
        assert_eq!(
            line("fused_multihead_attention_v2_int8_128_64_kernel_sm80"),
            "attention_fwd attention_prefill int8 yes trtllm_fmha_v2"
        );
    }

    #[test]
    fn xqa_queries_are_16_bit() {
        assert_eq!(
            line(
                "onnxruntime::H64::grp8_bf16_fp8::kernel_mha(unsigned int, float, Vec<__nv_bfloat16, 64u>*, Vec<__nv_bfloat16, 64u> const*)"
            ),
            "attention_fwd attention_decode bf16 yes trtllm"
        );
    }

    #[test]
    fn myelin_attention_has_no_type() {
        assert_eq!(
            line("_gemm_mha_v2_0x1a2b3c"),
            "attention_fwd attention unknown yes tensorrt_myelin"
        );
    }
}

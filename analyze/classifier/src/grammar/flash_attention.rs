//! FlashAttention 2, 3 and 4, FlashMLA, CUTLASS FMHA: forward, split-KV, combine, backward.
//!
//! FA2: `[pytorch_flash::|flash::|onnxruntime::flash::]flash_fwd_kernel<Flash_fwd_kernel_traits<
//! head_dim, BlockM, BlockN, warps, .., element>>`; `splitkv` runs in prefill and decode alike,
//! `splitkv_combine` only follows a split, which is decode. FA3 hides inside
//! `cutlass::device_kernel<flash::FlashAttnFwdSm90<CollectiveMainloopFwdSm90<stages, .., head_dim,
//! element, ..>>>`, FA4 is CuTe DSL ([`super::cute_dsl`]). FlashMLA
//! (`flash_fwd_splitkv_mla_kernel`) is decode with latent attention; its fp8 sparse kernels convert
//! the cache to bf16 before the multiply. Sources: Dao-AILab/flash-attention `csrc/`, `hopper/`;
//! deepseek-ai/FlashMLA.

use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{Dtype, from_tag};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    if function == "device_kernel" || name.namespaces().any(|space| space == "device_kernel") {
        return collective(name);
    }
    let span = name.template();
    // Without template arguments, instantiations are told apart by their own names.
    let real = name
        .first_real(span)
        .or_else(|| name.param_real())
        .or_else(|| function.split('_').find_map(from_tag));
    let traits =
        ["Flash_fwd_kernel_traits", "Flash_bwd_kernel_traits", "Flash_fwd_kernel_traits_mla"]
            .into_iter()
            .find_map(|class| name.list_of(span, class));
    let class = if function.contains("mla_metadata")
        || function.starts_with("prepare_varlen_num_blocks")
    {
        KernelClass::new(
            library(name),
            "attention_metadata",
            Role::Metadata,
            "schedule for another attention kernel",
        )
    } else if function.starts_with("flash_fwd_splitkv_mla")
        || function.starts_with("flash_fwd_mla")
        || function.starts_with("flash_mla")
    {
        if function.contains("combine") {
            combine(library(name))
                .computes(real.unwrap_or(Dtype::Unknown), "element type of the combine")
        } else {
            let dtype = real.unwrap_or(Dtype::Bf16);
            let class = tensor(KernelClass::new(
                library(name),
                "attention_mla",
                Role::AttentionDecode,
                "FlashMLA",
            ));
            if real.is_some() {
                class.computes(dtype, "element type of the FlashMLA traits")
            } else {
                class
                    .computes(dtype, "FlashMLA converts its cache to bf16 before the multiply")
                    .dtype_confidence(Confidence::Medium)
            }
        }
    } else if function.starts_with("sparse_attn_fwd") {
        let class = tensor(KernelClass::new(
            library(name),
            "attention_fwd_sparse",
            Role::AttentionPrefill,
            "FlashMLA sparse prefill",
        ));
        class
            .computes(real.unwrap_or(Dtype::Bf16), "FlashMLA sparse attention multiplies in bf16")
            .dtype_confidence(Confidence::Medium)
    } else if function.starts_with("flash_fwd_splitkv_combine") {
        combine("flash_attn2")
            .computes(real.unwrap_or(Dtype::Unknown), "element type of the traits")
    } else if function.starts_with("flash_fwd_splitkv") {
        tensor(KernelClass::new(
            "flash_attn2",
            "attention_fwd_splitkv",
            Role::Attention,
            "FlashAttention split-KV runs in prefill and decode",
        ))
        .computes(real.unwrap_or(Dtype::Unknown), "element type of the traits")
    } else if function.starts_with("flash_fwd_sparse") {
        tensor(KernelClass::new(
            "flash_attn2",
            "attention_fwd_sparse",
            Role::AttentionPrefill,
            "FlashAttention sparse forward",
        ))
        .computes(real.unwrap_or(Dtype::Unknown), "element type of the traits")
    } else if function.starts_with("flash_fwd") {
        tensor(KernelClass::new(
            "flash_attn2",
            "attention_fwd",
            Role::AttentionPrefill,
            "FlashAttention forward",
        ))
        .computes(real.unwrap_or(Dtype::Unknown), "element type of the traits")
    } else if function.starts_with("flash_bwd") {
        let class = KernelClass::new(
            "flash_attn2",
            "attention_bwd",
            Role::Attention,
            "FlashAttention backward",
        )
        .computes(real.unwrap_or(Dtype::Unknown), "element type of the traits");
        if function.contains("dq_dk_dv") || function.contains("loop") {
            tensor(class)
        } else {
            class.on_tensor_cores(
                TensorCore::No,
                Confidence::High,
                "conversion or row sum around the backward",
            )
        }
    } else {
        return None;
    };
    let head_dim = traits.and_then(|list| name.args(list).next()).and_then(|arg| name.number(arg));
    Some(match head_dim {
        Some(head_dim) => class.with(VariantKind::HeadDim, head_dim.to_string()),
        None => class,
    })
}

/// Attention inside `cutlass::device_kernel<…>`.
fn collective(name: &Name<'_>) -> Option<KernelClass> {
    let span = name.template();
    let class = name.find_word(span, |word| {
        word.starts_with("FlashAttn")
            || word.contains("Fmha")
            || word.contains("FMHA")
            || word.contains("FlashAttention")
            || word.starts_with("Sm100Mla")
            || word == "KernelTmaWarpSpecializedDecode"
    })?;
    let real = name.first_real(span);
    if class.contains("Combine") || class.contains("Reduction") {
        // The combine adds fp32 partials; its output type says nothing about arithmetic.
        let class = combine("flash_attn3").computes(Dtype::Unknown, "adds partial results in fp32");
        return Some(match real {
            Some(real) => class.stores(real, "output type of the combine"),
            None => class,
        });
    }
    let is_mla = class.contains("Mla") || class.contains("MLA");
    let library = if class.starts_with("FlashAttn") { "flash_attn3" } else { "cutlass3" };
    let mut reading = if class.contains("Bwd") || class.contains("Backward") {
        KernelClass::new(library, "attention_bwd", Role::Attention, format!("\"{class}\""))
    } else if is_mla {
        KernelClass::new(library, "attention_mla", Role::AttentionDecode, format!("\"{class}\""))
    } else if class.contains("Gen") || class.contains("Decode") {
        KernelClass::new(library, "attention_fwd", Role::AttentionDecode, format!("\"{class}\""))
    } else {
        KernelClass::new(library, "attention_fwd", Role::Attention, format!("\"{class}\""))
    };
    reading = reading.computes(real.unwrap_or(Dtype::Unknown), "element type of the mainloop");
    if class.contains("Preprocess")
        || class.contains("Postprocess")
        || class.contains("Convert")
        || class.contains("SumOdO")
    {
        return Some(reading.on_tensor_cores(
            TensorCore::No,
            Confidence::High,
            "conversion or row sum around the backward",
        ));
    }
    // sm_80 and newer fp32 attention does not exist in these libraries.
    Some(tensor(reading))
}

fn library(name: &Name<'_>) -> &'static str {
    if name.within("flash") || name.within("pytorch_flash") { "flash_attn2" } else { "flashmla" }
}

fn combine(library: &'static str) -> KernelClass {
    KernelClass::new(
        library,
        "attention_combine",
        Role::AttentionDecode,
        "combines the parts of a split-KV attention",
    )
    .on_tensor_cores(TensorCore::No, Confidence::High, "weighted sum of partial results")
}

fn tensor(class: KernelClass) -> KernelClass {
    class.on_tensor_cores(
        TensorCore::Yes,
        Confidence::High,
        "FlashAttention multiplies on tensor cores",
    )
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn flash_attention_2() {
        assert_eq!(
            line(
                "void flash::flash_fwd_kernel<Flash_fwd_kernel_traits<128, 64, 64, 4, false, false, cutlass::half_t, Flash_kernel_traits<128, 64, 64, 4, cutlass::half_t>>, false, true>(flash::Flash_fwd_params)"
            ),
            "attention_fwd attention_prefill fp16 yes flash_attn2"
        );
        assert_eq!(
            line(
                "void pytorch_flash::flash_fwd_splitkv_combine_kernel<Flash_fwd_kernel_traits<(int)64, (int)64, (int)256, (int)4, (bool)0, (bool)0, cutlass::bfloat16_t>, (int)4>(T1)"
            ),
            "attention_combine attention_decode bf16 no flash_attn2"
        );
        assert_eq!(
            line(
                "void flash::flash_bwd_dot_do_o_kernel<true, Flash_bwd_kernel_traits<64, 128, 128, 8, cutlass::half_t>>(flash::Flash_bwd_params)"
            ),
            "attention_bwd attention fp16 no flash_attn2"
        );
    }

    #[test]
    fn without_template_arguments_the_type_is_unknown() {
        assert_eq!(
            line("flash_fwd_splitkv_kernel"),
            "attention_fwd_splitkv attention unknown yes flash_attn2"
        );
        assert_eq!(
            line("flash_fwd_kernel_bf16_hdim256"),
            "attention_fwd attention_prefill bf16 yes flash_attn2"
        );
    }

    #[test]
    fn flash_attention_3_and_mla() {
        assert_eq!(
            line(
                "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<flash::CollectiveMainloopFwdSm90<2, cute::tuple<cute::C<1>>, cute::tuple<cute::C<128>>, 128, cutlass::float_e4m3_t, float, cutlass::arch::Sm90, true>>>>(T1::Params)"
            ),
            "attention_fwd attention fp8_e4m3 yes flash_attn3"
        );
        assert_eq!(
            line(
                "void sm90::flash_fwd_splitkv_mla_kernel<Traits<cutlass::half_t>, TmaParams<int>>(Flash_fwd_mla_params, T2)"
            ),
            "attention_mla attention_decode fp16 yes flashmla"
        );
    }
}

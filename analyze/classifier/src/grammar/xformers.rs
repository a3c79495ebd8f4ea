//! Memory-efficient attention of xFormers, PyTorch and ONNX Runtime.
//!
//! `fmha_cutlass{F|B}_{f16|bf16|f32}_{aligned|notaligned}_{tiles}_…_sm{50|70|75|80}`: F forward, B
//! backward, the architecture last. On sm_80 fp32 runs as TF32 on tensor cores (SASS of the wheel:
//! HMMA.1688.F32.TF32); before sm_80 fp32 and on sm_50 everything runs on CUDA cores.
//! `attention_kernel_batched_impl<AttentionKernel<T, cutlass::arch::Sm80, …>>` is the same kernel.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    if let Some(rest) = symbol.strip_prefix("fmha_cutlass") {
        let is_backward = rest.starts_with('B');
        let fields: Vec<&str> = rest.split('_').collect();
        let dtype = fields.iter().find_map(|field| dtype::from_tag(field))?;
        let arch = tags::arch(fields.into_iter())?;
        return Some(
            answer(is_backward, dtype, arch.trim_start_matches("sm")).with(VariantKind::Arch, arch),
        );
    }
    let span = name.template();
    let backward = name.has_word(span, "AttentionBackwardKernel");
    if !backward && !name.has_word(span, "AttentionKernel") {
        return None;
    }
    let dtype = name.first_real(span)?;
    let arch = name.find_word(span, |word| word.starts_with("Sm") && word.len() == 4)?.to_owned();
    Some(answer(backward, dtype, arch.trim_start_matches("Sm")).with(VariantKind::Arch, arch))
}

fn answer(is_backward: bool, dtype: Dtype, arch: &str) -> KernelClass {
    let (operation, role) = if is_backward {
        ("attention_bwd_memeff", Role::Attention)
    } else {
        ("attention_fwd_memeff", Role::AttentionPrefill)
    };
    let class = KernelClass::new("xformers_memeff", operation, role, "memory-efficient attention");
    let generation: u32 = arch.parse().unwrap_or(80);
    match (dtype, generation) {
        (Dtype::Fp32, 80..) => class
            .computes(Dtype::Tf32, "fp32 attention for sm_80 multiplies in TF32")
            .stores(Dtype::Fp32, "type field")
            .on_tensor_cores(TensorCore::Yes, Confidence::High, "sm_80 matrix instructions"),
        (Dtype::Fp32 | Dtype::Fp64, _) | (_, ..70) => {
            class.computes(dtype, "type field").on_tensor_cores(
                TensorCore::No,
                Confidence::High,
                "no tensor-core path for this type and architecture",
            )
        }
        _ => class.computes(dtype, "type field").on_tensor_cores(
            TensorCore::Yes,
            Confidence::High,
            "16-bit attention from sm_70 on",
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn architecture_and_type_decide_the_unit() {
        assert_eq!(
            line(
                "fmha_cutlassF_bf16_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<cutlass::bfloat16_t>::Params)"
            ),
            "attention_fwd_memeff attention_prefill bf16 yes xformers_memeff"
        );
        assert_eq!(
            line("fmha_cutlassF_f32_aligned_64x64_rf_sm80"),
            "attention_fwd_memeff attention_prefill tf32 yes xformers_memeff"
        );
        assert_eq!(
            line("fmha_cutlassF_f32_notaligned_64x64_rf_sm75"),
            "attention_fwd_memeff attention_prefill fp32 no xformers_memeff"
        );
        assert_eq!(
            line("fmha_cutlassB_f16_aligned_64x64_k64_sm50"),
            "attention_bwd_memeff attention fp16 no xformers_memeff"
        );
        assert_eq!(
            line(
                "void onnxruntime::contrib::cuda::attention_kernel_batched_impl<AttentionKernel<float, cutlass::arch::Sm70, true, 64, 64, true>>(T1::Params)"
            ),
            "attention_fwd_memeff attention_prefill fp32 no xformers_memeff"
        );
    }
}

//! TurboMind (LMDeploy): its GEMM, attention and linear-attention templates.
//!
//! `turbomind::gemm::gemm_kernel<GemmUniversal<Sm80, Mainloop…, Operand_A<half>, …>>`,
//! `turbomind::attention_kernel<AttentionUniversal<Sm80, Mainloop<…, Impl<MMA_16816|MMA_SIMT, T, …>>>>`.
//! `MMA_SIMT` is CUDA cores. Layout types called `sm80_s16816` in `convert_kernel` repack weights and
//! multiply nothing. Its other kernels have plain names.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    if !name.within("turbomind") {
        return None;
    }
    let span = name.template();
    let function = name.function();
    let real = name.first_real(span).unwrap_or(Dtype::Unknown);
    let make =
        |operation, role| KernelClass::new("turbomind", operation, role, "TurboMind kernel name");
    let (class, default_unit) = match function {
        "attention_kernel" => {
            let simt = name.find_word(span, |word| word.contains("SIMT") || word.contains("Simt"));
            let narrow = real.is_narrow_real();
            let class = make("attention_fwd", Role::Attention);
            let unit = if simt.is_some() || !narrow { TensorCore::No } else { TensorCore::Yes };
            (class, unit)
        }
        "reduce" if name.within("attention") => {
            return Some(
                make("attention_combine", Role::AttentionDecode)
                    .computes(real, "element type argument")
                    .on_tensor_cores(
                        TensorCore::No,
                        Confidence::High,
                        "weighted sum of partial results",
                    ),
            );
        }
        "gemm_kernel" | "gemm_kernel_sm90" | "gemm_kernel_sm90_tma" => {
            (make("gemm", Role::Gemm), TensorCore::Yes)
        }
        "convert_kernel" | "repack_kernel" if name.within("gemm") => {
            return Some(make("weight_repack", Role::WeightPrep));
        }
        _ => return None,
    };
    let class = if default_unit == TensorCore::No && function == "attention_kernel" {
        class
            .computes(Dtype::Fp32, "SIMT attention converts to fp32")
            .stores(real, "first element type argument")
    } else {
        class.computes(real, "first element type argument")
    };
    let unit_word = name
        .find_word(span, |word| {
            word.contains("SIMT")
                || word.contains("MMA_")
                || word.contains("s16816")
                || word.contains("s884")
                || word.contains("GMMA")
        })
        .map(str::to_owned);
    let says = unit_word
        .as_deref()
        .map_or("TurboMind default for the type", |_| "instruction named in the template");
    Some(class.on_tensor_cores(default_unit, Confidence::Medium, says))
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn attention_by_instruction() {
        assert_eq!(
            line(
                "void turbomind::attention_kernel<turbomind::AttentionUniversal<turbomind::arch::Sm80, turbomind::attention::Mainloop<turbomind::attention::Sm80_CpAsync<3>, turbomind::attention::Impl<turbomind::attention::MMA_16816, __half, __half, 1, 64>>>>(T1)"
            ),
            "attention_fwd attention fp16 yes turbomind"
        );
        assert_eq!(
            line(
                "void turbomind::attention_kernel<turbomind::AttentionUniversal<turbomind::arch::Sm70, turbomind::attention::Mainloop<int, turbomind::attention::Impl<turbomind::attention::MMA_SIMT, __half, __half, 1>>>>(T1)"
            ),
            "attention_fwd attention fp32 no turbomind"
        );
    }

    #[test]
    fn layout_types_are_not_multiplies() {
        assert_eq!(
            line(
                "void turbomind::gemm::convert_kernel<turbomind::gemm::ConvertOperand<64, 32, 1, turbomind::gemm::sm80_s16816::Operand_UV<unsigned short>>>(T1)"
            ),
            "weight_repack weight_prep unknown no turbomind"
        );
    }
}

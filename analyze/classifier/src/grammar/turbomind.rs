//! TurboMind (LMDeploy): its GEMM and attention templates.
//!
//! `turbomind::gemm::gemm_kernel<GemmUniversal<Sm80, Mainloop…, Operand_A<half>, …>>` names its
//! operand;
//! `gemm_kernel_sm90_mixed<…Format<group, (DataType)n>>` encodes it as sign, exponent and mantissa
//! bits;
//! `gemm_kernel_sm90<GemmUniversalSm90_v3<…>>` is the block-scaled fp8 kernel and
//! `gemm_universal_sm90_mxfp4_fp8` converts its weights to fp8 (sm_90 has no fp4 instruction).
//! `attention_kernel<AttentionUniversal<arch, Mainloop<…, Impl<MMA_16816|MMA_SIMT, T, …>>>>`:
//! `MMA_SIMT` is CUDA cores, computing in fp32. Layout types called `sm80_s16816` in
//! `convert_kernel` repack weights and multiply nothing. Its other kernels have plain names.
//! Source: InternLM/lmdeploy `src/turbomind`.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    if !name.within("turbomind") {
        return None;
    }
    let function = name.function();
    match function {
        "attention_kernel" => Some(attention(name)),
        "reduce" if name.within("attention") => {
            let dtype = name.first_real(name.template()).unwrap_or(Dtype::Unknown);
            Some(
                make("attention_combine", Role::AttentionDecode)
                    .computes(dtype, "element type argument")
                    .on_tensor_cores(
                        TensorCore::No,
                        Confidence::High,
                        "weighted sum of partial results",
                    ),
            )
        }
        "convert_kernel" | "repack_kernel" if name.within("gemm") => {
            Some(make("weight_repack", Role::WeightPrep))
        }
        _ if function.starts_with("gemm_kernel") || function.starts_with("gemm_universal") => {
            Some(gemm(name))
        }
        _ => None,
    }
}

fn make(operation: &'static str, role: Role) -> KernelClass {
    KernelClass::new("turbomind", operation, role, "TurboMind kernel name")
}

fn attention(name: &Name<'_>) -> KernelClass {
    let span = name.template();
    let real = name.first_real(span).unwrap_or(Dtype::Unknown);
    let is_simt =
        name.find_word(span, |word| word.contains("SIMT") || word.contains("Simt")).is_some();
    let class = make("attention_fwd", Role::Attention);
    if is_simt || !real.is_narrow_real() {
        return class
            .computes(Dtype::Fp32, "SIMT attention computes in fp32")
            .stores(real, "first element type argument")
            .on_tensor_cores(TensorCore::No, Confidence::Medium, "SIMT attention");
    }
    class.computes(real, "first element type argument").on_tensor_cores(
        TensorCore::Yes,
        Confidence::Medium,
        "matrix instruction named in the template",
    )
}

fn gemm(name: &Name<'_>) -> KernelClass {
    let class = make("gemm", Role::Gemm).on_tensor_cores(
        TensorCore::Yes,
        Confidence::High,
        "TurboMind GEMMs are written around a matrix instruction",
    );
    let span = name.template();
    if name.function().ends_with("fp4_fp8") {
        return class
            .computes(Dtype::Fp8E4m3, "fp4 weights are converted to fp8 before the multiply");
    }
    if let Some(dtype) = name.words(span).find_map(|(index, word)| {
        (word == "DataType").then(|| name.number_at(index + 2)).flatten().and_then(data_type)
    }) {
        return class.computes(dtype, "activation type decoded from turbomind::DataType");
    }
    if let Some(dtype) = name.first_real(span) {
        return class.computes(dtype, "first element type argument");
    }
    if let Some(dtype) = name.function().split('_').find_map(dtype::from_tag) {
        return class.computes(dtype, "type field of the name");
    }
    if name.find_word(span, |word| word.starts_with("GemmUniversalSm90_v")).is_some() {
        return class
            .computes(Dtype::Fp8E4m3, "GemmUniversalSm90_v* are the block-scaled fp8 kernels")
            .dtype_confidence(Confidence::Medium);
    }
    class.computes(Dtype::Unknown, "no element type in the template")
}

/// Decodes `turbomind::DataType`: mantissa bits, exponent bits, sign, a byte each from the least
/// significant up.
fn data_type(code: i64) -> Option<Dtype> {
    match (code >> 8 & 0xff, code & 0xff) {
        (5, 10) => Some(Dtype::Fp16),
        (8, 7) => Some(Dtype::Bf16),
        (4, 3) => Some(Dtype::Fp8E4m3),
        (5, 2) => Some(Dtype::Fp8E5m2),
        (2, 1) => Some(Dtype::Fp4),
        (8, 23) => Some(Dtype::Fp32),
        _ => None,
    }
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
    fn gemms() {
        // 66826 is sign 1, exponent 5, mantissa 10: half.
        assert_eq!(
            line(
                "void turbomind::gemm::gemm_kernel_sm90_mixed<turbomind::gemm::GemmUniversalSm90Mixed<turbomind::gemm::Sm90U4Format<32, (turbomind::DataType)66826>, int>>(CUtensorMap_st)"
            ),
            "gemm gemm fp16 yes turbomind"
        );
        assert_eq!(
            line(
                "void turbomind::gemm::gemm_kernel_sm90<turbomind::gemm::GemmUniversalSm90_v3<turbomind::gemm::config::Config<int>, 4>>(CUtensorMap_st)"
            ),
            "gemm gemm fp8_e4m3 yes turbomind"
        );
        assert_eq!(
            line(
                "void turbomind::gemm::gemm_kernel_sm90_bf16<turbomind::gemm::GemmUniversalSm90_Bf16<int>>(CUtensorMap_st)"
            ),
            "gemm gemm bf16 yes turbomind"
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

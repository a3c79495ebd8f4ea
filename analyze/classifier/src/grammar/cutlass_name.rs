//! CUTLASS kernels named by its profiler, as cuBLAS and cuDNN ship them.
//!
//! CUTLASS 2: `cutlass_{75|80}_[wmma_]{tensorop|simt}_[out_]{letter}{mma}{gemm|fprop|dgrad|wgrad}_
//! [relu_][in_]{tile}…`; `simt_sgemm` is fp32 on CUDA cores, `tensorop_s1688gemm` without an
//! operand field is TF32. CUTLASS 3:
//! `cutlass3x_sm100_{tensorop|bstensorop|simt}_{core}_{A}_{B}_{acc}_{C}_{D}`, where `bstensorop` is
//! block scaled and `ue4m3xf4` is a scale type times an operand type. Wrapper spellings:
//! `cutlass::Kernel<X>(X::Params)`, `Kernel2`, `cutlass__5x_cudnn::Kernel`. Source: CUTLASS
//! `python/cutlass_library/gemm_operation.py`, `procedural_name()`.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.find_word(name.whole(), |word| {
        (word.starts_with("cutlass_") || word.starts_with("cutlass3x_"))
            && word
                .split('_')
                .any(|field| matches!(field, "tensorop" | "bstensorop" | "simt" | "sptensorop"))
    })?;
    let fields: Vec<&str> = symbol.split('_').collect();
    let unit = fields
        .iter()
        .position(|field| matches!(*field, "tensorop" | "bstensorop" | "simt" | "sptensorop"))?;
    let is_v3 = symbol.starts_with("cutlass3x_");
    let after = &fields[unit + 1..];
    let core_at = after.iter().position(|field| tags::core(field).is_some() || v3_conv_core(field));
    let core = core_at.and_then(|at| tags::core(after[at]));
    let is_simt = fields[unit] == "simt" || core.is_some_and(|core| !core.is_tensor_op() && !is_v3);
    let operands = &after[core_at.map_or(0, |at| at + 1)..];
    let types: Vec<Dtype> = operands.iter().filter_map(|field| type_field(field)).collect();
    let has = |field: &str| fields.contains(&field);
    let operation = operation(&has, core.map(|core| core.op), is_v3);
    let role = if operation.starts_with("conv") { Role::Conv } else { Role::Gemm };
    let library = if role == Role::Conv { "cudnn" } else { "cublas_cutlass" };

    let mut class = KernelClass::new(library, operation, role, "CUTLASS name grammar");
    let shown = core_at.map_or(fields[unit], |at| after[at]);
    class =
        if is_simt {
            let dtype = core.map_or(Dtype::Unknown, |core| core.simt_dtype());
            class.computes(dtype, format!("SIMT core \"{shown}\"")).on_tensor_cores(
                TensorCore::No,
                Confidence::High,
                "CUTLASS SIMT runs on CUDA cores",
            )
        } else {
            let operand = match types.as_slice() {
                [a, b, ..] if is_v3 => Some(tags::multiply(*a, *b)),
                [a, b, ..] if a.is_narrow_real() != b.is_narrow_real() && b.bits() == Some(8) => {
                    Some(*a)
                }
                [a, ..] => Some(*a),
                [] => None,
            };
            let dtype = match (core, operand) {
                (Some(core), operand) => core.tensor_dtype(operand),
                (None, Some(Dtype::Fp32)) => Dtype::Tf32,
                (None, operand) => operand.unwrap_or(Dtype::Unknown),
            };
            class
                .computes(dtype, format!("core \"{shown}\" and its operand fields"))
                .on_tensor_cores(TensorCore::Yes, Confidence::High, "CUTLASS tensorop")
        };
    if let Some(storage) = types.first() {
        class = class.stores(*storage, "operand field of the CUTLASS name");
    }
    if let Some(core) = core.filter(|core| core.is_tensor_op()) {
        class = class.with(VariantKind::Instruction, core.instruction);
    }
    if let Some(tile) = operands.iter().find(|field| tags::is_tile(field)) {
        class = class.with(VariantKind::Tile, *tile);
    }
    if let Some(arch) = fields.get(1).filter(|_| unit > 1) {
        class = class.with(VariantKind::Arch, *arch);
    }
    Some(class)
}

/// Operand fields: `bf16`, `tf32`, `s8`, `ue4m3xf4` (scale × operand).
fn type_field(field: &str) -> Option<Dtype> {
    let operand = match field.split_once('x') {
        Some((scale, operand)) if scale.starts_with("ue") => operand,
        _ => field,
    };
    dtype::from_tag(operand)
}

/// `s32x256x16` before `conv3d_fprop`: a CUTLASS 3 core without its operation.
fn v3_conv_core(field: &str) -> bool {
    let mut characters = field.chars();
    matches!(characters.next(), Some('s' | 'h' | 'i' | 'd'))
        && field
            .get(1..)
            .is_some_and(|shape| shape.matches('x').count() == 2 && tags::is_tile(shape))
}

fn operation(has: &dyn Fn(&str) -> bool, op: Option<&str>, is_v3: bool) -> &'static str {
    match op {
        Some("fprop") => "conv_fprop",
        Some("dgrad" | "deconv") => "conv_dgrad",
        Some("wgrad") => "conv_wgrad",
        _ if has("fprop") => "conv_fprop",
        _ if has("dgrad") => "conv_dgrad",
        _ if has("wgrad") => "conv_wgrad",
        _ if has("grouped") => "grouped_gemm",
        _ if is_v3 && has("scaled") => "gemm_blockscaled",
        _ if has("bias") => "gemm_bias",
        _ => "gemm",
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn cutlass_2_names() {
        assert_eq!(
            line(
                "void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_256x128_32x3_tn_align8>(cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_256x128_32x3_tn_align8::Params)"
            ),
            "gemm gemm bf16 yes cublas_cutlass"
        );
        assert_eq!(
            line(
                "void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_128x128_16x5_nt_align4>(T1::Params)"
            ),
            "gemm gemm tf32 yes cublas_cutlass"
        );
        assert_eq!(
            line("void cutlass::Kernel2<cutlass_80_simt_sgemm_128x32_8x5_nn_align1>(T1::Params)"),
            "gemm gemm fp32 no cublas_cutlass"
        );
        assert_eq!(
            line("cutlass_80_wmma_tensorop_h161616gemm_16x16_128x2_tn_align8"),
            "gemm gemm fp16 yes cublas_cutlass"
        );
        assert_eq!(
            line(
                "_ZN7cutlass7Kernel2I50cutlass_80_tensorop_f16_s16816gemm_f16_64x64_32x6_tEEvNT_6ParamsE"
            ),
            "gemm gemm fp16 yes cublas_cutlass"
        );
    }

    #[test]
    fn convolutions_belong_to_cudnn() {
        assert_eq!(
            line(
                "void cutlass_cudnn_infer::Kernel<cutlass_tensorop_s1688dgrad_optimized_tf32_64x64_32x4_nhwc_align4>(T1::Params)"
            ),
            "conv_dgrad conv tf32 yes cudnn"
        );
    }

    #[test]
    fn cutlass_3_names() {
        assert_eq!(
            line(
                "cutlass3x_sm100_bstensorop_s128x128x64gemm_block_scaled_ue4m3xf4_ue4m3xf4_f32_bf16_bf16_128x128x256_0_tnn_align32_o_vs16_1sm"
            ),
            "gemm_blockscaled gemm fp4 yes cublas_cutlass"
        );
        assert_eq!(
            line("cutlass3x_sm100_simt_sgemm_f32_f32_f32_f32_f32_64x32x16_1x1x1_3_nnn_align1"),
            "gemm gemm fp32 no cublas_cutlass"
        );
        assert_eq!(
            line(
                "cutlass3x_sm90_tensorop_s64x128x8gemm_f32_f32_f32_f32_f32_64x128x32_1x1x1_0_tnn_align4"
            ),
            "gemm gemm tf32 yes cublas_cutlass"
        );
    }
}

//! Architecture-named cuBLAS, cuDNN and TensorRT kernels.
//!
//! `[trt_|cudnn_[infer_|train_]]{generation}_[out_]{letter}{digits}{gemm|cudnn}_[in_]{tile}_…`.
//! The letter is the accumulate type; **digits (884, 1688, 16816, 8816, 16832) mean tensor cores,
//! their absence means CUDA cores**. `volta_fp16_sgemm_fp16_32x128_nn` is fp16 in memory with fp32
//! math on CUDA cores; `trt_volta_fp32_icudnn_int8x4` is dp4a with fp32 output. In the cuDNN form
//! `stridedB` is the data gradient and `stridedB_splitK` the weight gradient.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    let fields: Vec<&str> = symbol.split('_').collect();
    let generation = fields.iter().position(|field| tags::GENERATIONS.contains(field))?;
    let prefix = &fields[..generation];
    if !prefix
        .iter()
        .all(|field| matches!(*field, "trt" | "cudnn" | "infer" | "train" | "cask" | "cublas"))
    {
        return None;
    }
    let joined = fields.iter().position(|field| tags::core(field).is_some());
    // `ampere_gemm_int32_i8816_nt` says the operation and the instruction apart.
    let apart = || fields.iter().position(|field| tags::instruction(field).is_some());
    let at = joined.or_else(apart)?;
    let core = tags::core(fields[at]).or_else(|| tags::instruction(fields[at]))?;
    let outside = fields[generation + 1..at].iter().find_map(|field| type_field(field));
    let operand = fields[at + 1..].iter().take(2).find_map(|field| type_field(field));
    let has = |field: &str| fields.contains(&field);
    let is_conv = core.op != "gemm" || has("fprop") || has("dgrad") || has("wgrad");
    let (operation, role) = match core.op {
        "cudnn" | "fprop" | "dgrad" | "wgrad" | "deconv" => (conv_operation(&fields), Role::Conv),
        "gemm" if is_conv => (conv_operation(&fields), Role::Conv),
        _ => ("gemm", Role::Gemm),
    };
    let library = match prefix.first() {
        Some(&"trt") => "tensorrt",
        _ if role == Role::Conv => "cudnn",
        _ => "cublas",
    };
    let mut class = KernelClass::new(library, operation, role, "architecture-named BLAS grammar");
    class = if core.is_tensor_op() {
        let dtype = core.tensor_dtype(operand.or(outside.filter(|_| core.letter == "s")));
        class
            .computes(dtype, format!("core \"{}\" and its operand field", fields[at]))
            .on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                format!("instruction digits in \"{}\"", fields[at]),
            )
            .with(VariantKind::Instruction, core.instruction)
    } else {
        class
            .computes(core.simt_dtype(), format!("\"{}\" without instruction digits", fields[at]))
            .on_tensor_cores(
                TensorCore::No,
                Confidence::High,
                format!("no instruction digits in \"{}\": CUDA cores", fields[at]),
            )
    };
    if let Some(storage) = operand.or(outside) {
        class = class.stores(storage, "type field of the name");
    }
    if let Some(tile) = fields[at + 1..].iter().find(|field| tags::is_tile(field)) {
        class = class.with(VariantKind::Tile, *tile);
    }
    if let Some(layout) =
        fields.iter().rev().find(|field| matches!(**field, "nn" | "nt" | "tn" | "tt"))
    {
        class = class.with(VariantKind::Layout, *layout);
    }
    Some(class.with(VariantKind::Arch, fields[generation]))
}

/// `fp16`, `bf16`, `int8x4`, `int32`, …
fn type_field(field: &str) -> Option<Dtype> {
    dtype::from_tag(field.strip_suffix("x4").or(field.strip_suffix("x32")).unwrap_or(field))
}

fn conv_operation(fields: &[&str]) -> &'static str {
    let has = |field: &str| fields.contains(&field);
    if has("winograd") {
        "conv_winograd"
    } else if has("wgrad") || has("stridedB") && has("splitK") {
        "conv_wgrad"
    } else if has("dgrad") || has("stridedB") || has("deconv") {
        "conv_dgrad"
    } else {
        "conv_fprop"
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn digits_decide_the_unit() {
        assert_eq!(
            line("ampere_bf16_s16816gemm_bf16_128x64_ldg8_f2f_stages_64x4_tn"),
            "gemm gemm bf16 yes cublas"
        );
        assert_eq!(line("turing_s1688gemm_fp16_128x64_sliced1x2_nn"), "gemm gemm fp16 yes cublas");
        assert_eq!(
            line("ampere_int32_i16832gemm_int8_128x128_ldg16_stages_64x3_tn"),
            "gemm gemm int8 yes cublas"
        );
        assert_eq!(line("ampere_hgemm_256x128_nn"), "gemm gemm fp16 no cublas");
        assert_eq!(line("volta_sgemm_128x64_nt"), "gemm gemm fp32 no cublas");
        assert_eq!(line("ampere_dgemm_64x64_nn"), "gemm gemm fp64 no cublas");
        assert_eq!(line("ampere_gemm_int32_i8816_nt"), "gemm gemm int8 yes cublas");
        assert_eq!(line("ampere_gcgemm_64x64_nt"), "gemm gemm c64 no cublas");
    }

    #[test]
    fn fp16_in_the_name_of_fp32_math() {
        assert_eq!(line("volta_fp16_sgemm_fp16_32x128_nn"), "gemm gemm fp32 no cublas");
    }

    #[test]
    fn convolutions() {
        assert_eq!(
            line("trt_volta_fp32_icudnn_int8x4_128x64_relu_small_nn_v1"),
            "conv_fprop conv int8 no tensorrt"
        );
        assert_eq!(
            line("turing_h1688cudnn_128x128_ldg8_relu_exp_medium_nhwc_tn_v1"),
            "conv_fprop conv fp16 yes cudnn"
        );
        assert_eq!(
            line("cudnn_infer_volta_scudnn_128x64_stridedB_splitK_small_nn_v1"),
            "conv_wgrad conv fp32 no cudnn"
        );
        assert_eq!(
            line("volta_scudnn_winograd_128x128_ldg1_ldg4_relu_tile148t_nt_v1"),
            "conv_winograd conv fp32 no cudnn"
        );
    }
}

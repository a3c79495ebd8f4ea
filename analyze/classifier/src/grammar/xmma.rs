//! xmma: the generator behind many cuBLAS, cuDNN and TensorRT kernels.
//!
//! `sm{arch}_xmma_{op}_{A}{C}_{math}{acc}_{epilogue}_…_{instruction}`: of the second type group
//! the first type is what the multiply runs in. The instruction field decides the unit:
//! `tensor16x8x16`, `warpgroupsize…` are tensor cores, `ffma`/`dfma`/`hfma`/`idp4a` are CUDA
//! cores, so `f32f32_f32f32_f32 … ffma` is fp32 without tensor cores although called `xmma_gemm`.
//! `sm50_xmma_pooling` multiplies nothing.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    let (arch, rest) = symbol.split_once("_xmma_")?;
    let library = library(symbol);
    let fields: Vec<&str> = rest.split('_').collect();
    if fields.first() == Some(&"pooling") {
        return Some(pooling(library, &fields).with(VariantKind::Arch, arch));
    }
    let has = |field: &str| fields.contains(&field);
    let starts = |prefix: &str| fields.iter().any(|field| field.starts_with(prefix));
    let (operation, role) = if has("fprop") || has("conv") {
        ("conv_fprop", Role::Conv)
    } else if has("dgrad") || has("deconv") {
        ("conv_dgrad", Role::Conv)
    } else if has("wgrad") {
        ("conv_wgrad", Role::Conv)
    } else if starts("gemm") || has("sparse") {
        (if has("split") && has("reduce") { "splitk_reduce" } else { "gemm" }, Role::Gemm)
    } else {
        return None;
    };
    let groups: Vec<Vec<Dtype>> = fields
        .windows(2)
        .find_map(|pair| {
            let (first, second) = (tags::concatenated(pair[0]), tags::concatenated(pair[1]));
            (first.len() == 2 && second.len() == 2).then(|| vec![first, second])
        })
        .unwrap_or_default();
    let storage = groups.first().and_then(|group| group.first().copied());
    let math = groups.get(1).and_then(|group| group.first().copied());
    let cuda_cores = ["ffma", "dfma", "hfma", "hfma2", "idp4a", "dp4a", "simt"]
        .into_iter()
        .find(|unit| has(unit));
    let tensor = fields.iter().copied().find(|field| {
        field.starts_with("warpgroup")
            || field.starts_with("gmma")
            || field.starts_with("utc")
            || field
                .strip_prefix("tensor")
                .is_some_and(|shape| shape.starts_with(|c: char| c.is_ascii_digit()))
    });
    let mut class = KernelClass::new(library, operation, role, "xmma name grammar");
    class = match math {
        Some(math) => class.computes(math, "second type group of the xmma name"),
        None => class.computes(Dtype::Unknown, "xmma name without type groups"),
    };
    if let Some(storage) = storage {
        class = class.stores(storage, "first type group of the xmma name");
    }
    class = match (cuda_cores, tensor, math) {
        (Some(unit), ..) => class.on_tensor_cores(
            TensorCore::No,
            Confidence::High,
            format!("xmma with \"{unit}\" runs on CUDA cores"),
        ),
        (None, Some(unit), _) => class
            .on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                format!("xmma instruction \"{unit}\""),
            )
            .with(VariantKind::Instruction, unit),
        (None, None, Some(Dtype::Fp32)) => class.on_tensor_cores(
            TensorCore::No,
            Confidence::Medium,
            "xmma fp32 math without a tensor instruction",
        ),
        (None, None, Some(_)) => class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::Medium,
            "xmma narrow math, instruction not in the name",
        ),
        (None, None, None) => class,
    };
    for field in &fields {
        if let Some(tile) = field.strip_prefix("tilesize") {
            class = class.with(VariantKind::Tile, tile);
        } else if let Some(stages) = field.strip_prefix("stage").filter(|s| !s.is_empty()) {
            class = class.with(VariantKind::Stages, stages.trim_start_matches('s'));
        }
    }
    Some(class.with(VariantKind::Arch, arch))
}

fn library(symbol: &str) -> &'static str {
    if symbol.contains("cudnn") {
        "cudnn"
    } else if symbol.contains("cublas") {
        "cublas"
    } else {
        "tensorrt"
    }
}

fn pooling(library: &'static str, fields: &[&str]) -> KernelClass {
    let is_max = fields.iter().any(|field| matches!(*field, "kMAX" | "Max" | "max"));
    let operation = if is_max { "max_pool" } else { "pooling" };
    let class =
        KernelClass::new(library, operation, Role::Pooling, "xmma pooling multiplies nothing");
    // `FP16FP32NHWC`: operand type, accumulate type, layout.
    let dtype = fields.iter().find_map(|field| {
        let lower = field.to_ascii_lowercase();
        ["fp16", "fp32", "bf16", "int8"]
            .into_iter()
            .find(|tag| lower.starts_with(tag))
            .and_then(dtype::from_tag)
    });
    match dtype {
        Some(dtype) => class.computes(dtype, "type field of the pooling name"),
        None => class,
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn the_second_group_is_the_math_type() {
        assert_eq!(
            line(
                "sm80_xmma_gemm_f32f32_tf32f32_f32_nn_n_tilesize32x32x64_stage3_warpsize2x2x1_tensor16x8x8_kernel"
            ),
            "gemm gemm tf32 yes tensorrt"
        );
        assert_eq!(
            line(
                "sm90_xmma_gemm_e4m3bf16_e4m3f32_f32_tn_n_tilesize64x128x128_warpgroupsize1x1x1_bias_execute_kernel__5x_cublas"
            ),
            "gemm gemm fp8_e4m3 yes cublas"
        );
        assert_eq!(
            line(
                "sm80_xmma_wgrad_implicit_gemm_indexed_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize64x64x64_stage3_warpsize2x2x1_g1_tensor16x8x16_execute_kernel__5x_cudnn"
            ),
            "conv_wgrad conv bf16 yes cudnn"
        );
    }

    #[test]
    fn ffma_is_never_a_tensor_core() {
        for types in ["f32f32_f32f32_f32", "f16f16_f32f32_f32"] {
            assert_eq!(
                line(&format!(
                    "sm80_xmma_gemm_{types}_tn_n_tilesize128x128x8_stage3_warpsize2x4x1_ffma_aligna4_alignc4_execute_kernel__5x_cublas"
                )),
                "gemm gemm fp32 no cublas"
            );
        }
    }

    #[test]
    fn pooling_is_no_matmul() {
        assert_eq!(
            line("sm50_xmma_pooling_fw_4d_FP32FP32NCHW_Max"),
            "max_pool pooling fp32 no tensorrt"
        );
    }
}

//! MIOpen convolution and normalisation kernels on AMD.
//!
//! `igemm_{fwd|bwd|wrw}_{gtcx2|gtcx|gtc|…}_{layout}_{type}_…`: `gtcx` uses the matrix instruction,
//! `gtc` alone the vector ALUs. `miopenSp3AsmConv_*` Winograd, `naive_conv_*`, `MIOpenBatchNorm*`,
//! `SubTensorOp*`, `batched_transpose_*`. Source: ROCm/MIOpen `src/kernels`.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    let make = |operation, role| KernelClass::new("miopen", operation, role, "MIOpen kernel name");
    let tagged = || symbol.split('_').find_map(dtype::from_tag).unwrap_or(Dtype::Unknown);
    if let Some(rest) = symbol.strip_prefix("igemm_") {
        let direction = rest.split('_').next().unwrap_or("");
        let class =
            make(direction_operation(direction)?, Role::Conv).computes(tagged(), "type field");
        return Some(if rest.contains("gtcx") {
            class.on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                "gtcx uses the matrix instruction",
            )
        } else {
            class.on_tensor_cores(TensorCore::No, Confidence::Medium, "gtc runs on vector ALUs")
        });
    }
    if let Some(rest) = symbol.strip_prefix("naive_conv_") {
        let direction = ["fwd", "bwd", "wrw"]
            .into_iter()
            .find(|direction| rest.contains(direction))
            .unwrap_or("fwd");
        let operation = direction_operation(direction)?;
        let dtype = if rest.contains("half") {
            Dtype::Fp16
        } else if rest.contains("ushort") {
            Dtype::Bf16
        } else {
            tagged()
        };
        return Some(make(operation, Role::Conv).computes(dtype, "type field").on_tensor_cores(
            TensorCore::No,
            Confidence::High,
            "naive convolution",
        ));
    }
    if symbol.starts_with("miopenSp3AsmConv") {
        return Some(
            make("conv_winograd", Role::Conv).computes(tagged(), "type field").on_tensor_cores(
                TensorCore::No,
                Confidence::High,
                "Winograd on vector ALUs",
            ),
        );
    }
    if symbol.starts_with("miopenGcnAsmConv")
        || symbol.starts_with("MIOpenConv")
        || symbol.starts_with("gcnAsmConv")
    {
        return Some(make("conv_fprop", Role::Conv).on_tensor_cores(
            TensorCore::No,
            Confidence::Medium,
            "assembly direct convolution",
        ));
    }
    if symbol.starts_with("MIOpenBatchNorm") {
        let backward = symbol.contains("Bwd");
        return Some(make(if backward { "batch_norm_bwd" } else { "batch_norm" }, Role::Norm));
    }
    if symbol.starts_with("SubTensorOp")
        || symbol.starts_with("OpTensor")
        || symbol.starts_with("Op4dTensor")
        || symbol.starts_with("Op5dTensor")
    {
        return Some(if symbol.contains("Cast") {
            make("cast", Role::Cast)
        } else {
            make("elementwise", Role::Elementwise)
        });
    }
    if symbol.starts_with("batched_transpose_")
        || symbol.starts_with("general_") && symbol.contains("transpose")
    {
        return Some(make("transpose", Role::Copy).computes(tagged(), "type field"));
    }
    if symbol.starts_with("Im2Col") || symbol.starts_with("Col2Im") {
        return Some(make("im2col", Role::Conv).on_tensor_cores(
            TensorCore::No,
            Confidence::High,
            "moves data",
        ));
    }
    if symbol.starts_with("mloPooling") {
        return Some(make("pooling", Role::Pooling));
    }
    None
}

fn direction_operation(direction: &str) -> Option<&'static str> {
    match direction {
        "fwd" => Some("conv_fprop"),
        "bwd" => Some("conv_dgrad"),
        "wrw" | "upd" => Some("conv_wgrad"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn implicit_gemm() {
        assert_eq!(
            line("igemm_wrw_gtcx2_nhwc_bf16_bx0_ex1_bt256x128x16"),
            "conv_wgrad conv bf16 yes miopen"
        );
        assert_eq!(line("igemm_fwd_gtc_nchw_fp32_bx0"), "conv_fprop conv fp32 no miopen");
    }

    #[test]
    fn helpers() {
        assert_eq!(
            line("batched_transpose_64x64_pack_4x4_ediv_4x4_half"),
            "transpose copy fp16 no miopen"
        );
        assert_eq!(line("SubTensorOpWithCastTensor1d"), "cast cast unknown no miopen");
    }
}

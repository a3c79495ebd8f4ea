//! Composable Kernel (`ck::`, `ck_tile::`) on AMD.
//!
//! `ck::kernel_gemm_xdl_cshuffle_v3<GridwiseGemm_xdl_cshuffle<…>>`: `xdl` is the matrix
//! instruction,
//! `wmma` its RDNA form, `dl` and `dpp` the vector ALUs. ck_tile: `ck_tile::kentry<…,
//! FmhaFwdKernel<…>>` with the problem's element types in its arguments. Source:
//! ROCm/composable_kernel.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;
use crate::table;
use crate::words::Words;

pub(crate) fn parse(name: &Name<'_>, query: &KernelQuery<'_>) -> Option<KernelClass> {
    let is_tile = name.within("ck_tile");
    if !is_tile && !name.within("ck") {
        return None;
    }
    let span = name.template();
    let real = name.first_real(span).unwrap_or(Dtype::Unknown);
    // kentry<blocks, Kernel, …>: the kernel is the first class argument.
    let class_name = if is_tile && name.function().starts_with("kentry") {
        name.args(span)
            .map(|arg| name.head(arg))
            .find(|head| head.len() > 3 && !head.starts_with(|c: char| c.is_ascii_digit()))?
    } else {
        name.function()
    };
    let lower = class_name.to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    let make = |operation, role| {
        KernelClass::new("composable_kernel", operation, role, "Composable Kernel class")
    };
    let class = if has("fmhafwdsplitkvcombine") || has("combine") && has("fmha") {
        return Some(
            make("attention_combine", Role::AttentionDecode)
                .computes(real, "problem element type")
                .on_tensor_cores(
                    TensorCore::No,
                    Confidence::High,
                    "weighted sum of partial results",
                ),
        );
    } else if has("fmhafwdappendkv") {
        return Some(make("kvwrite", Role::KvCacheWrite).computes(real, "problem element type"));
    } else if has("fmhabwd") {
        make("attention_bwd", Role::Attention)
    } else if has("fmhafwdsplitkv") || has("fmhafwdpagedkv") {
        make("attention_fwd_splitkv", Role::Attention)
    } else if has("fmhafwd") || has("fmha") {
        make("attention_fwd", Role::AttentionPrefill)
    } else if has("moe") && has("sort") {
        return Some(make("moe_sort", Role::MoeRouting));
    } else if has("moe") && has("gemm")
        || has("fusedmoe")
        || has("groupedgemm")
        || has("grouped_gemm")
        || has("flatmm")
    {
        make("grouped_gemm", Role::Gemm)
    } else if has("contraction") || has("gemm") || has("batched_gemm") {
        if has("conv") { make("conv_fprop", Role::Conv) } else { make("gemm", Role::Gemm) }
    } else if has("conv") {
        make(
            if has("bwd_weight") {
                "conv_wgrad"
            } else if has("bwd_data") {
                "conv_dgrad"
            } else {
                "conv_fprop"
            },
            Role::Conv,
        )
    } else {
        let mut class = table::by_words(&Words::of(class_name), name, query)?;
        class.library.value = "composable_kernel";
        return Some(class.computes(real, "problem element type"));
    };
    let class = class.computes(real, "first element type of the problem");
    let says = |part: &str| {
        name.find_word(name.whole(), |word| word.to_ascii_lowercase().contains(part)).is_some()
    };
    Some(if says("xdl") || says("mfma") || says("wmma") || says("warpgemm") || is_tile {
        class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::High,
            "matrix instruction (xdl, wmma or a ck_tile warp GEMM)",
        )
    } else if says("_dl") || says("dpp") {
        class.on_tensor_cores(
            TensorCore::No,
            Confidence::High,
            "dl and dpp kernels run on vector ALUs",
        )
    } else {
        class
    })
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn xdl_is_the_matrix_instruction() {
        assert_eq!(
            line(
                "void ck::kernel_gemm_xdl_cshuffle_v3<ck::GridwiseGemm_xdl_cshuffle_v3<ck::tensor_layout::gemm::RowMajor, _Float16, _Float16>, true>(T1)"
            ),
            "gemm gemm fp16 yes composable_kernel"
        );
        assert_eq!(
            line(
                "void ck::kernel_gemm_dl_v1r3<ck::GridwiseGemmDl_km_kn_mn_v1r3<256, float, float, float>, float>(T1)"
            ),
            "gemm gemm fp32 no composable_kernel"
        );
    }

    #[test]
    fn ck_tile_entries() {
        assert_eq!(
            line(
                "void ck_tile::kentry<256, 2, ck_tile::FmhaFwdKernel<ck_tile::BlockFmhaPipelineQRKSVS<ck_tile::BlockFmhaPipelineProblem<std::bfloat16_t, std::bfloat16_t>>>>(T1)"
            ),
            "attention_fwd attention_prefill bf16 yes composable_kernel"
        );
        assert_eq!(
            line(
                "void ck_tile::kentry<1, ck_tile::Rmsnorm2dFwd<ck_tile::Rmsnorm2dFwdPipelineOnePass<std::bfloat16_t>>>(T1)"
            ),
            "rmsnorm norm bf16 no composable_kernel"
        );
    }
}

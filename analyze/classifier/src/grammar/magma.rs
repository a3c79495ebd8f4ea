//! MAGMA's batched dense linear algebra, as PyTorch links it.
//!
//! `gemm_template_batched_{nn|nt|tn|tt}_kernel<T, …>`, `{s|d|c|z}gemm_batched_smallsq_kernel<n>`,
//! factorisations (`{letter}getrf_…`, `…potf2…`) on CUDA cores.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    let is_gemm = function.starts_with("gemm_template_")
        || function.contains("gemm_batched_") && function.contains("kernel")
        || function.contains("gemm_vbatched")
        || function.starts_with("gemv_") && function.contains("batched")
        || function.starts_with("syrk_template")
        || function.starts_with("trmm_template")
        || function.starts_with("trsm_template");
    let is_magma = name.find_word(name.whole(), |word| word.starts_with("magma")).is_some();
    if is_gemm {
        let batched = function.contains("batched");
        let letter = letter_type(function);
        let dtype = name
            .args(name.template())
            .find_map(|arg| name.real(arg))
            .or(letter)
            .or_else(|| name.param_real());
        return Some(
            KernelClass::new(
                "magma",
                if batched { "batched_gemm_magma" } else { "gemm" },
                Role::Gemm,
                "MAGMA template",
            )
            .computes(dtype.unwrap_or(Dtype::Unknown), "element type of the template")
            .on_tensor_cores(
                TensorCore::No,
                Confidence::High,
                "MAGMA templates run on CUDA cores",
            ),
        );
    }
    if is_magma && letter_type(function).is_some() {
        let dtype = letter_type(function).unwrap_or(Dtype::Unknown);
        return Some(
            KernelClass::new("magma", "linear_algebra", Role::Other, "MAGMA factorisation")
                .role_confidence(Confidence::Medium)
                .computes(dtype, "LAPACK letter"),
        );
    }
    None
}

/// LAPACK's first letter.
fn letter_type(function: &str) -> Option<Dtype> {
    let rest = function.get(1..)?;
    let routine = [
        "gemm",
        "gemv",
        "getrf",
        "getf2",
        "potf2",
        "potrf",
        "trsm",
        "trsv",
        "laswp",
        "geqr",
        "syrk",
        "trmm",
        "larf",
        "lacpy",
        "laset",
        "symmetrize",
        "ger",
        "scal",
        "swap",
        "trtri",
    ]
    .iter()
    .any(|routine| rest.starts_with(routine));
    if !routine {
        return None;
    }
    match function.as_bytes().first()? {
        b's' => Some(Dtype::Fp32),
        b'd' => Some(Dtype::Fp64),
        b'c' => Some(Dtype::C64),
        b'z' => Some(Dtype::C128),
        b'h' => Some(Dtype::Fp16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn batched_templates() {
        assert_eq!(
            line("void gemm_template_batched_nn_kernel<float, 16, 16, 32, 32, 16>(int)"),
            "batched_gemm_magma gemm fp32 no magma"
        );
        assert_eq!(
            line("void dgemm_batched_smallsq_kernel<12>(magma_trans_t)"),
            "batched_gemm_magma gemm fp64 no magma"
        );
    }
}

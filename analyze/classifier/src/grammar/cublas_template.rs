//! cuBLAS and cuBLASLt kernels written as CUDA-core templates.
//!
//! Matrix-vector (`internal::gemvx::kernel<int, int, A, X, Y, compute, …>`, `gemv2T`, `gemvNSP`),
//! small or skinny multiplies (`gemmSN_*`, `gemmk1_kernel`, `sgemm_largek_lds64`), split-K tails,
//! level-1 routines and `magma_sgemmEx`. They are memory bound: bf16 here is no fallback. The first
//! real type argument is the operand or compute type.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    let (operation, role) = if function == "kernel" && (name.within("gemvx") || name.within("gemv"))
    {
        ("gemv", Role::Gemm)
    } else {
        routine(function, name)?
    };
    let dtype = name
        .args(name.template())
        .find_map(|arg| name.real(arg))
        .or_else(|| name.first_real(name.template()))
        .or_else(|| name.param_real())
        .or_else(|| by_prefix(function));
    let class = KernelClass::new("cublas", operation, role, "cuBLAS CUDA-core template")
        .computes(dtype.unwrap_or(Dtype::Unknown), "first real type argument");
    Some(if role == Role::Gemm {
        class.on_tensor_cores(TensorCore::No, Confidence::High, "cuBLAS template on CUDA cores")
    } else {
        class
    })
}

fn routine(function: &str, name: &Name<'_>) -> Option<(&'static str, Role)> {
    if function == "globalKernel" && name.within("epilogue") {
        return Some(("gemm_epilogue", Role::Gemm));
    }
    let is_magma = function.starts_with("magma_") && function.contains("gemmEx");
    if is_magma || is_old_gemm(function) {
        return Some(("gemm", Role::Gemm));
    }
    let find = |table: &[(&str, &'static str, Role)]| {
        table
            .iter()
            .find(|(prefix, ..)| function.starts_with(prefix))
            .map(|(_, operation, role)| (*operation, *role))
    };
    // Short names that any library could use count only with cuBLAS's own argument types.
    let is_cublas = name.find_word(name.whole(), |word| word.starts_with("cublas")).is_some();
    find(DISTINCT).or_else(|| is_cublas.then(|| find(SHARED)).flatten())
}

const DISTINCT: &[(&str, &str, Role)] = &[
    ("splitKreduce_kernel", "splitk_reduce", Role::Gemm),
    ("splitK_reduce", "splitk_reduce", Role::Gemm),
    ("gemmSN_", "gemm_small_n", Role::Gemm),
    ("gemmk1_", "gemm_k1", Role::Gemm),
    ("gemv2", "gemv", Role::Gemm),
    ("gemvNS", "gemv", Role::Gemm),
    ("reduce_1Block", "dot", Role::Reduce),
    ("dot_kernel", "dot", Role::Reduce),
    ("scal_kernel", "scal", Role::Elementwise),
];

const SHARED: &[(&str, &str, Role)] = &[
    ("asum", "dot", Role::Reduce),
    ("nrm2", "dot", Role::Reduce),
    ("iama", "dot", Role::Reduce),
    ("iami", "dot", Role::Reduce),
    ("axpy", "axpy", Role::Elementwise),
    ("rot", "axpy", Role::Elementwise),
    ("ger", "axpy", Role::Elementwise),
    ("copy_kernel", "copy", Role::Copy),
    ("swap", "copy", Role::Copy),
    ("transpose", "copy", Role::Copy),
    ("geam", "copy", Role::Copy),
    ("tr", "gemm", Role::Gemm),
    ("sy", "gemm", Role::Gemm),
    ("gemm", "gemm", Role::Gemm),
    ("gemv", "gemv", Role::Gemm),
];

/// `sgemm_largek_lds64`, `sgemm_128x128x8_NT_vec`, `dgemm_sm_heavy_nt_ldg_`: pre-Volta names.
fn is_old_gemm(function: &str) -> bool {
    ["sgemm_", "dgemm_", "hgemm_", "cgemm_", "zgemm_"].iter().any(|prefix| {
        function.strip_prefix(prefix).is_some_and(|rest| {
            rest.starts_with("largek")
                || rest.starts_with("sm_heavy")
                || rest.starts_with("sm35")
                || rest.starts_with("sm_")
                || rest.starts_with("gemm_")
                || rest.starts_with("kernel")
                || rest.starts_with(|c: char| c.is_ascii_digit())
        })
    })
}

fn by_prefix(function: &str) -> Option<Dtype> {
    match function.get(..5)? {
        "sgemm" => Some(Dtype::Fp32),
        "dgemm" => Some(Dtype::Fp64),
        "hgemm" => Some(Dtype::Fp16),
        "cgemm" => Some(Dtype::C64),
        "zgemm" => Some(Dtype::C128),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn matrix_vector_products_are_cuda_cores() {
        assert_eq!(
            line(
                "std::enable_if<!(false), void>::type internal::gemvx::kernel<int, int, __half, __half, __half, float, false, true, false, false, 7, false, cublasGemvParamsEx<int>>(T1)"
            ),
            "gemv gemm fp16 no cublas"
        );
        assert_eq!(
            line(
                "void gemvNSP_kernel<__nv_bfloat16, __nv_bfloat16, __nv_bfloat16, float, 1, 32, 4, 1024, cublasGemvParams<int>>(int)"
            ),
            "gemv gemm bf16 no cublas"
        );
    }

    #[test]
    fn tails_and_level_1() {
        assert_eq!(
            line(
                "void cublasLt::splitKreduce_kernel<32, 16, int, __half, __half, float, __half, true, false, false>(cublasLt::cublasSplitKParams<float>)"
            ),
            "splitk_reduce gemm fp16 no cublas"
        );
        assert_eq!(line("sgemm_128x128x8_NT_vec"), "gemm gemm fp32 no cublas");
        assert_eq!(
            line(
                "void dot_kernel<float, 128, 0, cublasDotParams<cublasGemvTensor<float const>, cublasGemvTensor<float>>>(cublasDotParams<int>)"
            ),
            "dot reduce fp32 no cublas"
        );
    }
}

//! One grammar a file, tried in the order of the registry.

mod arch_blas;
mod aten;
mod ck;
mod cub;
mod cublas_template;
mod cudnn;
mod cumm;
mod cute_dsl;
mod cutlass_name;
mod cutlass_template;
mod deep_gemm;
mod eigen;
mod flash_attention;
mod flashinfer;
mod fmha_v2;
mod ggml;
mod inductor;
mod magma;
mod marlin;
mod miopen;
pub(crate) mod mma;
mod myelin;
mod nccl;
mod nvjet;
mod tags;
mod tensile;
mod triton_kernels;
mod trtllm_gen;
mod turbomind;
mod xformers;
mod xla;
mod xmma;

use crate::class::KernelClass;
use crate::name::Name;
use crate::query::KernelQuery;

/// A naming convention.
pub(crate) struct Grammar {
    /// File name of the grammar.
    pub(crate) name: &'static str,
    /// Reads a name of this convention; `None` for every other name.
    pub(crate) parse: fn(&Name<'_>, &KernelQuery<'_>) -> Option<KernelClass>,
}

/// Every grammar: exact prefixes first, then template walks, then libraries told by namespace.
pub(crate) const GRAMMARS: &[Grammar] = &[
    Grammar { name: "nvjet", parse: nvjet::parse },
    Grammar { name: "xmma", parse: xmma::parse },
    Grammar { name: "cutlass_name", parse: cutlass_name::parse },
    Grammar { name: "arch_blas", parse: arch_blas::parse },
    Grammar { name: "trtllm_gen", parse: trtllm_gen::parse },
    Grammar { name: "fmha_v2", parse: fmha_v2::parse },
    Grammar { name: "nccl", parse: nccl::parse },
    Grammar { name: "inductor", parse: inductor::parse },
    Grammar { name: "triton_kernels", parse: triton_kernels::parse },
    Grammar { name: "myelin", parse: myelin::parse },
    Grammar { name: "tensile", parse: tensile::parse },
    Grammar { name: "cute_dsl", parse: cute_dsl::parse },
    Grammar { name: "miopen", parse: miopen::parse },
    Grammar { name: "xformers", parse: xformers::parse },
    Grammar { name: "flash_attention", parse: flash_attention::parse },
    Grammar { name: "cutlass_template", parse: cutlass_template::parse },
    Grammar { name: "marlin", parse: marlin::parse },
    Grammar { name: "deep_gemm", parse: deep_gemm::parse },
    Grammar { name: "flashinfer", parse: flashinfer::parse },
    Grammar { name: "ck", parse: ck::parse },
    Grammar { name: "turbomind", parse: turbomind::parse },
    Grammar { name: "cub", parse: cub::parse },
    Grammar { name: "cudnn", parse: cudnn::parse },
    Grammar { name: "cublas_template", parse: cublas_template::parse },
    Grammar { name: "magma", parse: magma::parse },
    Grammar { name: "eigen", parse: eigen::parse },
    Grammar { name: "cumm", parse: cumm::parse },
    Grammar { name: "ggml", parse: ggml::parse },
    Grammar { name: "aten", parse: aten::parse },
    Grammar { name: "xla", parse: xla::parse },
];

/// The first grammar's answer, leaving out the named ones.
pub(crate) fn parse(
    name: &Name<'_>,
    query: &KernelQuery<'_>,
    without: &[&str],
) -> Option<KernelClass> {
    GRAMMARS
        .iter()
        .filter(|grammar| !without.contains(&grammar.name))
        .find_map(|grammar| (grammar.parse)(name, query))
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::classify;
    use crate::query::KernelQuery;

    /// `operation role compute_dtype tensor_core library` of a name.
    pub(crate) fn line(name: &str) -> String {
        let class = classify(&KernelQuery::named(name));
        format!(
            "{} {} {} {} {}",
            class.operation.value,
            class.role.value,
            class.compute_dtype.value,
            class.tensor_core.value,
            class.library.value
        )
    }
}

//! cumm, the generator behind spconv's sparse convolutions.
//!
//! `{Simt|SimtDP4A|Volta|Turing|Ampere}_{A}{B}{C}{acc}{compute}{layouts}_m{..}n{..}k{..}…T{instruction}…::
//! gemm_kernel`: `Simt` runs on CUDA cores, the other algorithms on tensor cores.
//! Source: FindDefinition/cumm `cumm/gemm/algospec`.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let space = name.namespaces().find(|space| {
        ALGORITHMS.iter().any(|algorithm| {
            space.strip_prefix(algorithm).is_some_and(|rest| rest.starts_with('_'))
        })
    })?;
    let (algorithm, rest) = space.split_once('_')?;
    // The types run into the layout letters: `f16f16f16f16f16tnt`.
    let types = rest.split('_').next()?.trim_end_matches(['t', 'n']);
    let operand = tags::concatenated(types).first().copied()?;
    let is_simt = algorithm.starts_with("Simt");
    let dtype = if !is_simt && operand == Dtype::Fp32 { Dtype::Tf32 } else { operand };
    let unit = if is_simt { TensorCore::No } else { TensorCore::Yes };
    Some(
        KernelClass::new("spconv", "gemm", Role::Gemm, "cumm name grammar")
            .computes(dtype, "first type of the cumm name")
            .on_tensor_cores(unit, Confidence::High, format!("cumm algorithm \"{algorithm}\""))
            .with(VariantKind::Arch, algorithm),
    )
}

const ALGORITHMS: [&str; 5] = ["Simt", "SimtDP4A", "Volta", "Turing", "Ampere"];

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn algorithm_decides_the_unit() {
        assert_eq!(
            line(
                "void Turing_f16f16f16f16f16tnt_m64n64k32m32n32k32A1T1688_200_C301LLL_SK::gemm_kernel(int)"
            ),
            "gemm gemm fp16 yes spconv"
        );
        assert_eq!(
            line(
                "void Simt_f32f32f32f32f32tnt_m32n64k32m32n32k8A1_200_C301LLL_SK::gemm_kernel(int)"
            ),
            "gemm gemm fp32 no spconv"
        );
    }
}

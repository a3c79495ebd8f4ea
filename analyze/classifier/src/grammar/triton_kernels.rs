//! `triton_kernels` (the MoE kernels of gpt-oss): types of output, activation and weight in the
//! name.
//!
//! `_[p_]matmul[_ogs]_{layouts}_{out}x{activation}x{weight}_{tile}[_{epilogue}]`, Triton type
//! spellings (`fp8e4nv`, `mxfp4`). Weights narrower than 16 bits are converted to the activation
//! type before the multiply when they are microscaled fp4; with plain fp8 weights the kernel may
//! convert either way, so the type stays open. Source: triton-lang/triton `python/triton_kernels`.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    let rest = ["_matmul_ogs", "_p_matmul_ogs", "_matmul", "_p_matmul"]
        .into_iter()
        .find_map(|prefix| symbol.strip_prefix(prefix))?;
    if !rest.is_empty() && !rest.starts_with('_') {
        return None;
    }
    let fields: Vec<&str> = rest.split('_').filter(|field| !field.is_empty()).collect();
    // `mxfp4` has the separator in it.
    let types = fields.iter().find_map(|field| {
        let field = field.replace("mxfp", "nvfp");
        let parts: Vec<Dtype> = field.split('x').map_while(dtype::from_tag).collect();
        (parts.len() == 3 && field.split('x').count() == 3).then_some(parts)
    });
    if types.is_none() && !symbol.contains("ogs") {
        return None;
    }
    let mut class =
        KernelClass::new("triton_kernels", "grouped_gemm", Role::Gemm, "triton_kernels matmul")
            .on_tensor_cores(TensorCore::Yes, Confidence::High, "tl.dot on narrow operands");
    class = match types.as_deref() {
        Some([_, activation, weight]) => {
            let math = multiply(*activation, *weight);
            class
                .computes(math, "activation and weight fields")
                .stores(*activation, "activation field")
        }
        _ => class.computes(Dtype::Unknown, "no types in the name"),
    };
    if let Some(tile) = fields.iter().find(|field| tags::is_tile(field)) {
        class = class.with(VariantKind::Tile, *tile);
    }
    if let Some(epilogue) =
        fields.last().filter(|field| field.bytes().all(|b| b.is_ascii_lowercase()))
    {
        class = class.with(VariantKind::Epilogue, *epilogue);
    }
    Some(class)
}

fn multiply(activation: Dtype, weight: Dtype) -> Dtype {
    match (activation, weight) {
        (a, b) if a == b => a,
        (Dtype::Bf16 | Dtype::Fp16, Dtype::Fp4) => activation,
        (Dtype::Fp32, _) => Dtype::Unknown,
        (a, Dtype::Fp4) if a.bits() == Some(8) => Dtype::MixedFp8Fp4,
        _ => Dtype::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn types_are_output_activation_weight() {
        assert_eq!(
            line("_matmul_ogs_NNT_fp16xfp16xmxfp4_16x256x128x1_swiglu"),
            "grouped_gemm gemm fp16 yes triton_kernels"
        );
        assert_eq!(
            line("_p_matmul_ogs_NNT_bf16xbf16xbf16_128x256x64x1"),
            "grouped_gemm gemm bf16 yes triton_kernels"
        );
        assert_eq!(
            line("_matmul_ogs_NNT_bf16xbf16xfp8e4nv_16x128x128x1"),
            "grouped_gemm gemm unknown yes triton_kernels"
        );
    }
}

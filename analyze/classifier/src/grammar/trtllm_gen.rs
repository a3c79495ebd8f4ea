//! trtllm-gen: TensorRT-LLM's generated Blackwell kernels, also shipped by FlashInfer.
//!
//! GEMM: `{bmm|gemm}_{C}_{A}{B}_{acc}_…_t{tile}_s{stages}_et…_m{mma}_c{cluster}_…_sm100f`; with
//! `castBfloat16` the operands are converted before the multiply, so the cast type is the math type
//! (the metadata shipped with the kernels says so). Attention:
//! `fmhaSm{arch}Kernel_Q{k}{v}{T}O{T}H{dim} {Packed|Separate|Paged}{..}{Context|ForGen}`: `Context`
//! is prefill, `ForGen` decode,
//! `HQk576HV512` latent attention. Source: flashinfer `trtllm/fmha` and `batched_gemm` headers.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    gemm(symbol).or_else(|| attention(symbol))
}

fn gemm(symbol: &str) -> Option<KernelClass> {
    let mut fields = symbol.split('_');
    let operation = match fields.next()? {
        "bmm" => "grouped_gemm",
        "gemm" | "gemmGatedAct" => "gemm",
        _ => return None,
    };
    let _output = types(fields.next()?)?;
    let operands = types(fields.next()?)?;
    let (a, b) = match operands.as_slice() {
        [a, b] => (*a, *b),
        [a] => (*a, *a),
        _ => return None,
    };
    let mut class =
        KernelClass::new("trtllm_gen", operation, Role::Gemm, "trtllm-gen name grammar")
            .computes(tags::multiply(a, b), "operand fields of the trtllm-gen name")
            .on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                "every trtllm-gen GEMM is a tensor-core kernel",
            );
    for field in fields {
        if let Some(cast) = field.strip_prefix("cast").and_then(types) {
            if let [cast, ..] = cast.as_slice() {
                class = class
                    .computes(*cast, "operands are cast before the multiply")
                    .stores(tags::multiply(a, b), "operand fields");
            }
        } else if field.starts_with("splitK") {
            class = class.with(VariantKind::SplitK, field);
        } else if let Some(tile) =
            field.strip_prefix('t').filter(|tile| tile.starts_with(|c: char| c.is_ascii_digit()))
        {
            class = class.with(VariantKind::Tile, tile);
        } else if let Some(stages) =
            field.strip_prefix('s').filter(|s| s.bytes().all(|b| b.is_ascii_digit()))
        {
            class = class.with(VariantKind::Stages, stages);
        } else if field.starts_with("sm1") {
            class = class.with(VariantKind::Arch, field);
        }
    }
    Some(class)
}

fn attention(symbol: &str) -> Option<KernelClass> {
    let rest = symbol.strip_prefix("fmhaSm")?;
    let (arch, rest) = rest.split_once("Kernel_")?;
    let (operands, rest) = operand_types(rest)?;
    let is_decode = rest.contains("ForGen");
    let is_prefill = rest.contains("Context");
    let is_latent = rest.contains("HQk576HV512");
    let role = match (is_decode, is_prefill) {
        (true, _) => Role::AttentionDecode,
        (_, true) => Role::AttentionPrefill,
        _ => Role::Attention,
    };
    let operation = if is_latent { "attention_mla" } else { "attention_fwd" };
    let why = if is_decode {
        "ForGen"
    } else if is_prefill {
        "Context"
    } else {
        "trtllm-gen FMHA"
    };
    Some(
        KernelClass::new("trtllm_gen", operation, role, why)
            .computes(operands, "Q, K and V fields of the FMHA name")
            .on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                "trtllm-gen FMHA runs on tensor cores",
            )
            .with(VariantKind::Arch, format!("sm{arch}")),
    )
}

/// Reads `QkvE4m3`, `QFp16KvE4m3`, `QkInt8VE4m3`: the type the multiplies run in, and what follows.
fn operand_types(text: &str) -> Option<(Dtype, &str)> {
    let mut rest = text;
    let mut found: Vec<(&str, Dtype)> = Vec::new();
    while let Some(label) = ["Qkv", "Qk", "Kv", "Q", "K", "V"]
        .into_iter()
        .find(|label| rest.strip_prefix(label).is_some_and(|tail| leading_type(tail).is_some()))
    {
        let (dtype, tail) = leading_type(&rest[label.len()..])?;
        found.push((label, dtype));
        rest = tail;
    }
    let dtype = match found.as_slice() {
        [(_, dtype)] => *dtype,
        // V is converted to the 16-bit type Q and K are in.
        [("Qk", qk @ (Dtype::Bf16 | Dtype::Fp16)), ("V", _)] => *qk,
        [("Qk", _), ("V", _)] => Dtype::Mixed,
        [(_, first), others @ ..] => {
            others.iter().fold(*first, |sum, (_, dtype)| tags::multiply(sum, *dtype))
        }
        [] => return None,
    };
    Some((dtype, rest))
}

const TYPES: [(&str, Dtype); 14] = [
    ("MxE4m3", Dtype::Fp8E4m3),
    ("MxE5m2", Dtype::Fp8E5m2),
    ("MxE2m1", Dtype::Fp4),
    ("MxInt4", Dtype::Int4),
    ("Bfloat16", Dtype::Bf16),
    ("Fp16", Dtype::Fp16),
    ("Fp32", Dtype::Fp32),
    ("Tf32", Dtype::Tf32),
    ("E4m3", Dtype::Fp8E4m3),
    ("E5m2", Dtype::Fp8E5m2),
    ("E2m1", Dtype::Fp4),
    ("Int8", Dtype::Int8),
    ("Int32", Dtype::Int32),
    ("Int4", Dtype::Int4),
];

fn leading_type(text: &str) -> Option<(Dtype, &str)> {
    TYPES.into_iter().find_map(|(tag, dtype)| text.strip_prefix(tag).map(|rest| (dtype, rest)))
}

/// A field made of whole type tags.
fn types(field: &str) -> Option<Vec<Dtype>> {
    let mut found = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        let (dtype, tail) = leading_type(rest)?;
        found.push(dtype);
        rest = tail;
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn gemms() {
        assert_eq!(
            line(
                "bmm_Bfloat16_E4m3E4m3_Fp32_t128x8x128u2_s6_et64x8_m64x8x32_c1x1x1_rM_TN_transOut_sm100f"
            ),
            "grouped_gemm gemm fp8_e4m3 yes trtllm_gen"
        );
        assert_eq!(
            line(
                "gemm_Fp16_E2m1E2m1_Fp32_Ab16_Bb16_t128x64x256_s4_et128x64_m128x64x64_c1x1x1_rM_TN_sm100f"
            ),
            "gemm gemm fp4 yes trtllm_gen"
        );
        assert_eq!(
            line("bmm_Bfloat16_MxE2m1MxE4m3_Fp32_t128x8x256_s4_et128x8_m128x8x32_sm100f"),
            "grouped_gemm gemm mixed_fp8_fp4 yes trtllm_gen"
        );
    }

    #[test]
    fn a_cast_is_the_math_type() {
        assert_eq!(
            line("bmm_Bfloat16_MxE2m1Bfloat16_Fp32_castBfloat16_t128x8x256_s4_sm100f"),
            "grouped_gemm gemm bf16 yes trtllm_gen"
        );
    }

    #[test]
    fn attention_phases() {
        assert_eq!(
            line(
                "fmhaSm100fKernel_QkvBfloat16OBfloat16H128PagedKvCausalP32VarSeqQ128Kv128StaticContext"
            ),
            "attention_fwd attention_prefill bf16 yes trtllm_gen"
        );
        assert_eq!(
            line(
                "fmhaSm100fKernel_QkvE4m3OBfloat16HQk576HV512PagedKvDenseP32VarSeqQ16Kv128StaticSwapsAbForGen"
            ),
            "attention_mla attention_decode fp8_e4m3 yes trtllm_gen"
        );
        assert_eq!(
            line(
                "fmhaSm100fKernel_QFp16KvE4m3OFp16H128PagedKvCausalP32VarSeqQ16Kv128StaticSwapsAbForGen"
            ),
            "attention_fwd attention_decode mixed yes trtllm_gen"
        );
    }
}

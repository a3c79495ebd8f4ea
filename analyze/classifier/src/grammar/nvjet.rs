//! nvjet: cuBLASLt's GEMMs since CUDA 12.8, generated at run time.
//!
//! `nvjet_[smNNN_]{types}_{MxN}_{K x stages}_{cluster}_[2cta_]{h|v}_{bz|badd|bx}_[coopA|coopB]_
//! [Avec32UE8M0_Bvec32UE8M0]_[splitK]_[bias]_{TNT}`. The types are letters: three for A/B, scale
//! and output, five when A, B and C are told apart. Letters with public evidence (traces published
//! with their operator's input types): t bf16, h fp16, q e4m3, o nvfp4, s fp32 (output only). Every
//! nvjet kernel runs on tensor cores; a letter without evidence leaves the type unknown.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let rest = name.function().strip_prefix("nvjet_")?;
    let mut types = None;
    let (mut split_k, mut bias, mut grouped) = (false, false, false);
    let mut variants: Vec<(VariantKind, &str)> = Vec::new();
    let mut tiles = 0;
    for field in rest.split('_') {
        match field {
            "splitK" => {
                split_k = true;
                variants.push((VariantKind::SplitK, field));
            }
            "bias" | "gelu" | "relu" | "dgelu" | "drelu" | "bgrad" | "aux" => {
                bias |= field == "bias";
                variants.push((VariantKind::Epilogue, field));
            }
            "grouped" | "group" => grouped = true,
            "2cta" | "coopA" | "coopB" | "h" | "v" => {
                variants.push((VariantKind::Schedule, field));
            }
            _ if field.starts_with("sm") && types.is_none() => {
                variants.push((VariantKind::Arch, field));
            }
            _ if tags::is_tile(field) => {
                let kind = match tiles {
                    0 => VariantKind::Tile,
                    1 => VariantKind::Stages,
                    _ => VariantKind::Cluster,
                };
                tiles += 1;
                variants.push((kind, field));
            }
            _ if types.is_none() && is_types(field) => types = Some(field),
            _ if is_layout(field) => variants.push((VariantKind::Layout, field)),
            _ => {}
        }
    }
    let operation = match (split_k, bias) {
        _ if grouped => "grouped_gemm",
        (true, true) => "gemm_splitk_bias",
        (true, false) => "gemm_splitk",
        (false, true) => "gemm_bias",
        (false, false) => "gemm",
    };
    let mut class = KernelClass::new("nvjet", operation, Role::Gemm, "prefix \"nvjet_\"")
        .on_tensor_cores(
            TensorCore::Yes,
            Confidence::High,
            "every nvjet kernel is a tensor-core GEMM",
        );
    class = match types.map(operand) {
        Some(Dtype::Unknown) | None => {
            class.computes(Dtype::Unknown, "nvjet type letters without public evidence")
        }
        Some(dtype) => class.computes(dtype, format!("nvjet types \"{}\"", types.unwrap_or(""))),
    };
    for (kind, value) in variants {
        class = class.with(kind, value);
    }
    Some(class)
}

fn is_types(field: &str) -> bool {
    (3..=6).contains(&field.len()) && field.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn is_layout(field: &str) -> bool {
    (2..=4).contains(&field.len()) && field.bytes().all(|byte| matches!(byte, b'T' | b'N'))
}

fn operand(types: &str) -> Dtype {
    let letters = types.as_bytes();
    let (a, b) = match letters.len() {
        3 => (letters[0], letters[0]),
        5 | 6 => (letters[0], letters[1]),
        _ => return Dtype::Unknown,
    };
    let (Some(a), Some(b)) = (letter(a), letter(b)) else { return Dtype::Unknown };
    tags::multiply(a, b)
}

fn letter(letter: u8) -> Option<Dtype> {
    match letter {
        b't' => Some(Dtype::Bf16),
        b'h' => Some(Dtype::Fp16),
        b'q' => Some(Dtype::Fp8E4m3),
        b'o' => Some(Dtype::Fp4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn types_and_epilogues() {
        assert_eq!(
            line("nvjet_sm100_tst_64x16_64x16_2x4_2cta_h_bz_splitK_bias_TNT"),
            "gemm_splitk_bias gemm bf16 yes nvjet"
        );
        assert_eq!(line("nvjet_qqtst_128x128_128x6_2x1_v_bz_TNN"), "gemm gemm fp8_e4m3 yes nvjet");
        assert_eq!(
            line("nvjet_ootst_128x128_256x4_2x1_v_bz_Avec16UE4M3_Bvec16UE4M3_TNN"),
            "gemm gemm fp4 yes nvjet"
        );
        assert_eq!(
            line("nvjet_sm120_tst_mma_64x64x128_3_32x32x128_tmaAB_alignCD4_bz_TNNN"),
            "gemm gemm bf16 yes nvjet"
        );
    }

    #[test]
    fn letters_without_evidence_stay_unknown() {
        assert_eq!(line("nvjet_sm90_wsw_64x8_64x16_1x1_h_bz_NNT"), "gemm gemm unknown yes nvjet");
        assert_eq!(line("nvjet_sm90_sss_64x8_64x16_1x1_h_bz_NNT"), "gemm gemm unknown yes nvjet");
    }
}

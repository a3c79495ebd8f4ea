//! Tensile: the generated GEMMs of rocBLAS and hipBLASLt on AMD.
//!
//! `Cijk_{A index}_{B index}_{types}_…_MT{MxNxK}_MI{MxNxB}_SN_…_ISA942_…`. Types: one letter a slot
//! for operand, output and compute: H fp16, B bf16, S fp32, D fp64, C/Z complex, I int32, I8 int8,
//! F8/B8/F8N fp8, X tf32 (`HBH`/`BBS` = half in, half out, fp32 compute). `MI` with a shape is the
//! matrix instruction (MFMA); `MI` absent or `MI0` means vector ALUs. Source: ROCm/Tensile
//! `Contractions.py`, hipBLASLt `tensilelite`.

use super::tags;
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let symbol = name.function();
    if !symbol.starts_with("Cijk_") {
        return None;
    }
    let fields: Vec<&str> = symbol.split('_').collect();
    let library = if fields.contains(&"UserArgs") || fields.iter().any(|f| f.starts_with("SAV")) {
        "hipblaslt"
    } else {
        "rocblas"
    };
    let post_gsu = fields
        .iter()
        .any(|field| field.starts_with("PostGSU") || *field == "GA" || *field == "GSU");
    let tile =
        fields.iter().find_map(|field| field.strip_prefix("MT").filter(|tile| tags::is_tile(tile)));
    let operand = fields.iter().skip(3).take(2).find_map(|field| operand(field));
    if post_gsu && tile.is_none() {
        return Some(
            KernelClass::new(library, "splitk_reduce", Role::Gemm, "Tensile global split-U tail")
                .computes(Dtype::Fp32, "sums fp32 partial tiles")
                .dtype_confidence(Confidence::Medium)
                .on_tensor_cores(TensorCore::No, Confidence::High, "sums partial tiles"),
        );
    }
    let instruction =
        fields.iter().find_map(|field| field.strip_prefix("MI").filter(|mi| tags::is_tile(mi)));
    let emulated = fields.iter().any(|field| *field == "F32XEmulation" || *field == "X");
    let dtype = match operand {
        Some(Dtype::Fp32) if emulated => Dtype::Tf32,
        Some(found) => found,
        None => Dtype::Unknown,
    };
    let mut class = KernelClass::new(library, "gemm", Role::Gemm, "Tensile name grammar")
        .computes(dtype, "type field of the Tensile name");
    class = match instruction {
        Some(shape) => class
            .on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                format!("matrix instruction MI{shape}"),
            )
            .with(VariantKind::Instruction, shape),
        None => class.on_tensor_cores(
            TensorCore::No,
            Confidence::Medium,
            "no matrix instruction in the name",
        ),
    };
    if let Some(tile) = tile {
        class = class.with(VariantKind::Tile, tile);
    }
    if let Some(isa) = fields.iter().find_map(|field| field.strip_prefix("ISA")) {
        class = class.with(VariantKind::Arch, format!("gfx{isa}"));
    }
    Some(class)
}

/// The operand letter of a type field such as `BBS`, `HHS`, `SB`, `F8BS`, `I8II`.
fn operand(field: &str) -> Option<Dtype> {
    let known = field.len() <= 8
        && field.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !known || field.is_empty() {
        return None;
    }
    if field.starts_with("F8B8") || field.starts_with("B8F8") {
        return Some(Dtype::Fp8);
    }
    if field.starts_with("F8") {
        return Some(Dtype::Fp8E4m3);
    }
    if field.starts_with("B8") {
        return Some(Dtype::Fp8E5m2);
    }
    if field.starts_with("I8") || field.starts_with("4x") {
        return Some(Dtype::Int8);
    }
    match field.as_bytes()[0] {
        b'H' => Some(Dtype::Fp16),
        b'B' => Some(Dtype::Bf16),
        b'S' => Some(Dtype::Fp32),
        b'D' => Some(Dtype::Fp64),
        b'C' => Some(Dtype::C64),
        b'Z' => Some(Dtype::C128),
        b'X' => Some(Dtype::Tf32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn types_and_instruction() {
        assert_eq!(
            line(
                "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT128x128x64_MI16x16x1_SN_LDSB1_ISA942_"
            ),
            "gemm gemm bf16 yes hipblaslt"
        );
        assert_eq!(
            line("Cijk_Ailk_Bljk_HHS_BH_MT64x64x32_MI32x32x8x1_SE_1LDSB0_ISA90a"),
            "gemm gemm fp16 yes rocblas"
        );
        assert_eq!(line("Cijk_Ailk_Bjlk_SB_MT64x64x8_SE_APM1_ISA906"), "gemm gemm fp32 no rocblas");
    }
}

//! Matrix instructions in template arguments: CuTe atoms, CUTLASS 2 warp policies, op classes.
//!
//! CuTe names an atom after its instruction: `SM80_16x8x16_F32BF16BF16F32_TN` (D A B C),
//! `MMA_64x128x16_F32BF16BF16_SS` and `GMMA_…` on sm_90 (D A B), `SM100_MMA_F16BF16_SS<A, B, D, …>`
//! with the types in its own arguments, `SM100_MMA_MXF4_SS`, `SM120_16x8x32_TN<A, B, C>`.
//! Source: CUTLASS `include/cute/arch/mma_sm*.hpp`. CUTLASS 2 says `arch::Mma<GemmShape<16, 8, 16>,
//! 32, A, LayoutA, B, …>` inside `warp::MmaTensorOp`, or `warp::MmaSimt`.

use super::tags;
use crate::dtype::Dtype;
use crate::name::{Name, Span};

/// The matrix instruction a template uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A tensor-core instruction, its operand type and the word that names it.
    Tensor(Dtype, String),
    /// CUDA cores, and the type they multiply.
    CudaCores(Dtype),
}

/// Finds the instruction in a template's arguments.
pub(crate) fn find(name: &Name<'_>, span: Span) -> Option<Unit> {
    if let Some(unit) = atom(name, span) {
        return Some(unit);
    }
    for class in ["MmaSimt", "OpClassSimt", "UniversalFMA"] {
        if name.has_word(span, class) {
            let list = name.list_of(span, class).unwrap_or(span);
            let dtype = name.first_real(list).or_else(|| name.first_real(span));
            return Some(Unit::CudaCores(dtype.unwrap_or(Dtype::Unknown)));
        }
    }
    if let Some(unit) = cutlass_2(name, span) {
        return Some(unit);
    }
    let class = [
        "OpClassTensorOp",
        "OpClassWmmaTensorOp",
        "OpClassBlockScaledTensorOp",
        "OpClassSparseTensorOp",
    ]
    .into_iter()
    .find(|class| name.has_word(span, class))?;
    let dtype = element(name, span).unwrap_or(Dtype::Unknown);
    Some(Unit::Tensor(narrow(dtype), class.to_owned()))
}

/// The operand type of a GEMM class whose mainloop is not spelt out: the first argument of the
/// first class that begins with an element type (`DefaultGemmWithVisitor<signed char, RowMajor,
/// …>`).
pub(crate) fn element(name: &Name<'_>, span: Span) -> Option<Dtype> {
    let is_operand =
        |dtype: &Dtype| !matches!(dtype, Dtype::Int64 | Dtype::Int32 | Dtype::Int16 | Dtype::Bool);
    name.words(span)
        .filter_map(|(index, _)| name.list_after(index))
        .filter_map(|list| name.args(list).next())
        .find_map(|arg| operand(name, arg).filter(is_operand))
        .or_else(|| name.first_real(span))
}

/// A CuTe atom.
fn atom(name: &Name<'_>, span: Span) -> Option<Unit> {
    for (index, word) in name.words(span) {
        if !is_atom(word) {
            continue;
        }
        // Types in the atom's own name.
        if let Some(dtype) = word.split('_').find_map(typed_field) {
            return Some(Unit::Tensor(narrow(dtype), word.to_owned()));
        }
        // Types in the atom's own arguments, or beside it in `MMA_Traits<SM100_MMA_F8F6F4_SS, A, B,
        // ..>`.
        if let Some(list) = name.list_after(index).or_else(|| name.list_tail(index)) {
            let types: Vec<Dtype> = name
                .args(list)
                .take_while(|arg| name.number(*arg).is_none())
                .filter_map(|arg| operand(name, arg))
                .take(2)
                .collect();
            if !types.is_empty() {
                return Some(Unit::Tensor(narrow(operands(types.into_iter())), word.to_owned()));
            }
        }
        let kind = if word.contains("MXF4") {
            Dtype::Fp4
        } else if word.contains("TF32") {
            Dtype::Tf32
        } else if word.contains("S8") {
            Dtype::Int8
        } else {
            Dtype::Unknown
        };
        return Some(Unit::Tensor(kind, word.to_owned()));
    }
    None
}

fn is_atom(word: &str) -> bool {
    let shape = |text: &str| {
        text.split('_')
            .next()
            .is_some_and(|first| first.matches('x').count() == 2 && tags::is_tile(first))
    };
    ["MMA_", "GMMA_", "SM70_", "SM75_", "SM80_", "SM89_", "SM90_", "SM120_"]
        .iter()
        .any(|prefix| word.strip_prefix(prefix).is_some_and(shape))
        || word.starts_with("SM100_MMA_")
        || word.starts_with("SM103_MMA_")
        || word.starts_with("SM120_MMA_")
}

/// `F32BF16BF16`, `F32E4M3E4M3F32`, `S32S8S8`: accumulator first, then A and B.
fn typed_field(field: &str) -> Option<Dtype> {
    let types = tags::concatenated(&field.to_ascii_lowercase());
    match types.as_slice() {
        [_, a, b] | [_, a, b, _] => Some(tags::multiply(*a, *b)),
        _ => None,
    }
}

/// How many words that could be a warp policy are looked into, so that nested ones stay cheap.
const MAX_CANDIDATES: usize = 64;

/// `warp::MmaTensorOp<Shape, A, LayoutA, B, …>` or `arch::Mma<GemmShape<..>, threads, A, …>`.
fn cutlass_2(name: &Name<'_>, span: Span) -> Option<Unit> {
    let candidates = name.words(span).filter(|(_, word)| word.contains("Mma")).take(MAX_CANDIDATES);
    for (index, word) in candidates {
        let is_warp = word.starts_with("MmaTensorOp")
            || word.starts_with("MmaMixedInputTensorOp")
            || word == "SparseMmaTensorOp"
            || word == "MmaVoltaTensorOp"
            || word == "MmaTensorOpWmma"
            || word == "MmaComplexTensorOp"
            || word == "MmaGaussianComplexTensorOp";
        if !is_warp || word.contains("Policy") || word.contains("Iterator") {
            continue;
        }
        let Some(list) = name.list_after(index) else { continue };
        if name.has_word(list, "OpMultiplyAddFastF32") {
            return Some(Unit::Tensor(Dtype::Tf32, word.to_owned()));
        }
        let types: Vec<Dtype> =
            name.args(list).skip(1).filter_map(|arg| operand(name, arg)).take(2).collect();
        if let Some(first) = types.first() {
            // Weight-only quantisation converts the integer operand before the multiply.
            let dtype = match types.get(1) {
                Some(second) if first.bits() == second.bits() => tags::multiply(*first, *second),
                Some(second) if !first.is_narrow_real() && second.is_narrow_real() => *second,
                _ => *first,
            };
            return Some(Unit::Tensor(narrow(dtype), word.to_owned()));
        }
    }
    None
}

/// The element type of one operand argument, looking into `sparse_elem<2, half_t>`,
/// `tuple<float_e2m1_t, float_ue4m3_t>` and `mx_float4_t<float_e2m1_t>`.
fn operand(name: &Name<'_>, arg: Span) -> Option<Dtype> {
    match name.head(arg) {
        "integer_subbyte" => Some(Dtype::Int4),
        "tuple"
        | "sparse_elem"
        | "mx_float4_t"
        | "nv_float4_t"
        | "mx_float8_t"
        | "mx_float6_t"
        | "type_erased_dynamic_float8_t"
        | "Array" => name.first_real(arg),
        _ => name.dtype(arg),
    }
}

fn operands(types: impl Iterator<Item = Dtype>) -> Dtype {
    let mut types = types;
    match (types.next(), types.next()) {
        (Some(a), Some(b)) => tags::multiply(a, b),
        (Some(a), None) => a,
        _ => Dtype::Unknown,
    }
}

/// fp32 fed to a tensor core is TF32.
fn narrow(dtype: Dtype) -> Dtype {
    if dtype == Dtype::Fp32 { Dtype::Tf32 } else { dtype }
}

/// Whether a plain word of a kernel's own name says tensor core: `wmma`, `hmma`, `wgmma`, `mma`,
/// `m16n8k16`, `tensorop`, `imma`, …
pub(crate) fn word_says_tensor(word: &str) -> bool {
    matches!(
        word,
        "mma"
            | "wmma"
            | "hmma"
            | "imma"
            | "dmma"
            | "qmma"
            | "wgmma"
            | "gmma"
            | "umma"
            | "tcgen05"
            | "utcmma"
            | "tensorop"
            | "tensorcore"
            | "mfma"
            | "wmmae"
            | "m16n8k16"
            | "m16n8k8"
            | "m16n8k32"
            | "mfma16"
            | "mfma32"
            | "mfma4"
            | "tc"
            | "smfmac"
            | "turingmma"
    ) || is_instruction_shape(word)
}

/// `m16n8k32`, `16x8x16`
fn is_instruction_shape(word: &str) -> bool {
    let Some(rest) = word.strip_prefix('m') else { return false };
    let Some((m, rest)) = rest.split_once('n') else { return false };
    let Some((n, k)) = rest.split_once('k') else { return false };
    matches!(m, "16" | "8" | "64" | "32")
        && matches!(n, "8" | "16")
        && matches!(k, "8" | "16" | "32" | "64" | "4")
}

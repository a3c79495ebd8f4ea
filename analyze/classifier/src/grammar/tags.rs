//! Pieces that several vendor grammars share: underscore fields, type tags, MMA cores.

use crate::dtype::{self, Dtype};

/// A math core such as `s16816gemm`: accumulate letter, instruction digits, fast-math type, op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Core<'a> {
    /// `s`, `h`, `d`, `c`, `z`, `i`, `gc`, `gz`: the accumulate type.
    pub(crate) letter: &'a str,
    /// Instruction shape (`16816`, `64x128x16`); empty on CUDA cores.
    pub(crate) instruction: &'a str,
    /// Type the operands are rounded to (`s1688bf16gemm`).
    pub(crate) rounded: Option<Dtype>,
    /// `gemm`, `cudnn`, `fprop`, `dgrad`, `wgrad`, …
    pub(crate) op: &'a str,
}

const CORE_OPS: [&str; 12] = [
    "gemm", "cudnn", "fprop", "dgrad", "wgrad", "deconv", "syrk", "syr2k", "trmm", "symm", "herk",
    "hemm",
];

/// Reads a core; `None` for anything else.
pub(crate) fn core(field: &str) -> Option<Core<'_>> {
    let op = CORE_OPS.into_iter().find(|op| field.ends_with(op))?;
    let head = field.strip_suffix(op)?;
    let letters = head.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(head.len());
    let (letter, rest) = head.split_at(letters);
    if !matches!(letter, "s" | "h" | "d" | "c" | "z" | "i" | "gc" | "gz" | "bf") {
        return None;
    }
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != 'x').unwrap_or(rest.len());
    let (instruction, inner) = rest.split_at(digits);
    let rounded = if inner.is_empty() { None } else { Some(dtype::from_tag(inner)?) };
    Some(Core { letter, instruction, rounded, op: &field[field.len() - op.len()..] })
}

/// Reads an instruction without its operation, `i8816`, as a GEMM core.
pub(crate) fn instruction(field: &str) -> Option<Core<'_>> {
    let (letter, digits) = field.split_at_checked(1)?;
    let is_instruction = matches!(letter, "s" | "h" | "d" | "i")
        && (3..=6).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_instruction.then_some(Core { letter, instruction: digits, rounded: None, op: "gemm" })
}

impl Core<'_> {
    /// Whether the core is a tensor-core instruction: digits present.
    pub(crate) fn is_tensor_op(&self) -> bool {
        !self.instruction.is_empty()
    }

    /// The type a CUDA-core kernel of this letter computes in.
    pub(crate) fn simt_dtype(&self) -> Dtype {
        match self.letter {
            "h" => Dtype::Fp16,
            "bf" => Dtype::Bf16,
            "d" => Dtype::Fp64,
            "c" | "gc" => Dtype::C64,
            "z" | "gz" => Dtype::C128,
            "i" => Dtype::Int8,
            _ => Dtype::Fp32,
        }
    }

    /// The type a tensor-core kernel multiplies, given the operand tag that follows the core.
    ///
    /// An `s1688` without an operand tag is TF32 (CUTLASS profiler names); `h` accumulates, and
    /// therefore multiplies, in fp16.
    pub(crate) fn tensor_dtype(&self, operand: Option<Dtype>) -> Dtype {
        if let Some(rounded) = self.rounded {
            return rounded;
        }
        match (operand, self.letter) {
            (Some(Dtype::Fp32), "s") => Dtype::Tf32,
            (Some(found), _) => found,
            (None, "h") => Dtype::Fp16,
            (None, "bf") => Dtype::Bf16,
            (None, "d") => Dtype::Fp64,
            (None, "c" | "gc") => Dtype::C64,
            (None, "z" | "gz") => Dtype::C128,
            (None, "i") => Dtype::Int8,
            (None, "s") if matches!(self.instruction, "1688" | "1684") => Dtype::Tf32,
            _ => Dtype::Unknown,
        }
    }
}

/// Splits a tag made of whole type tags, `f16f32` or `bf16bf16`; empty when it is not one.
pub(crate) fn concatenated(tag: &str) -> Vec<Dtype> {
    const PARTS: [(&str, Dtype); 16] = [
        ("bf16", Dtype::Bf16),
        ("tf32", Dtype::Tf32),
        ("e4m3", Dtype::Fp8E4m3),
        ("e5m2", Dtype::Fp8E5m2),
        ("e2m1", Dtype::Fp4),
        ("f16", Dtype::Fp16),
        ("f32", Dtype::Fp32),
        ("f64", Dtype::Fp64),
        ("i32", Dtype::Int32),
        ("s32", Dtype::Int32),
        ("i8", Dtype::Int8),
        ("s8", Dtype::Int8),
        ("u8", Dtype::Uint8),
        ("i4", Dtype::Int4),
        ("f8", Dtype::Fp8),
        ("cf32", Dtype::C64),
    ];
    let mut found = Vec::new();
    let mut rest = tag;
    while !rest.is_empty() {
        let Some((part, dtype)) = PARTS.into_iter().find(|(part, _)| rest.starts_with(part)) else {
            return Vec::new();
        };
        found.push(dtype);
        rest = &rest[part.len()..];
    }
    found
}

/// The type two multiply operands give together.
pub(crate) fn multiply(a: Dtype, b: Dtype) -> Dtype {
    use Dtype::{Fp4, Fp8, Fp8E4m3, Fp8E5m2, Mixed, MixedFp8Fp4};
    let is_fp8 = |dtype| matches!(dtype, Fp8 | Fp8E4m3 | Fp8E5m2);
    match (a, b) {
        _ if a == b => a,
        _ if is_fp8(a) && is_fp8(b) => Fp8,
        (Fp4, other) | (other, Fp4) if is_fp8(other) => MixedFp8Fp4,
        _ => Mixed,
    }
}

/// Whether a field is a tile such as `128x64` or `64x64x128`.
pub(crate) fn is_tile(field: &str) -> bool {
    let mut parts = 0;
    for part in field.split('x') {
        if part.is_empty() || part.len() > 4 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        parts += 1;
    }
    parts >= 2
}

/// The first architecture field (`sm90`, `sm100f`) or generation name of a name.
pub(crate) fn arch<'a>(fields: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut fields = fields;
    fields.find(|field| {
        GENERATIONS.contains(field)
            || field.strip_prefix("sm").is_some_and(|rest| {
                rest.len() >= 2 && rest.len() <= 4 && rest.starts_with(|c: char| c.is_ascii_digit())
            })
    })
}

/// NVIDIA generation names that begin vendor kernels.
pub(crate) const GENERATIONS: [&str; 9] =
    ["kepler", "maxwell", "pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_told_from_other_fields() {
        assert_eq!(core("s16816gemm").map(|c| (c.letter, c.instruction)), Some(("s", "16816")));
        assert_eq!(core("sgemm").map(|c| c.is_tensor_op()), Some(false));
        assert_eq!(core("s1688bf16gemm").and_then(|c| c.rounded), Some(Dtype::Bf16));
        assert_eq!(core("h1688cudnn").map(|c| c.op), Some("cudnn"));
        assert_eq!(core("s256x192x64gemm").map(|c| c.instruction), Some("256x192x64"));
        assert_eq!(core("gemm"), None);
        assert_eq!(core("implicitgemm"), None);
    }

    #[test]
    fn concatenated_types() {
        assert_eq!(concatenated("e4m3bf16"), [Dtype::Fp8E4m3, Dtype::Bf16]);
        assert_eq!(concatenated("tf32f32"), [Dtype::Tf32, Dtype::Fp32]);
        assert!(concatenated("f16nhwc").is_empty());
    }
}

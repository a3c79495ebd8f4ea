//! Element types, in the vocabulary the classifier answers with.

/// The type a kernel computes in or moves, or that it cannot be told.
///
/// [`Dtype::as_str`] is the stable spelling used in JSON, reports and gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dtype {
    /// The name does not tell.
    Unknown,
    /// IEEE double.
    Fp64,
    /// IEEE single, on CUDA cores or as plain storage.
    Fp32,
    /// Tensor cores fed with fp32 rounded to 10 mantissa bits.
    Tf32,
    /// IEEE half.
    Fp16,
    /// bfloat16.
    Bf16,
    /// 8-bit float whose encoding the name does not tell, or e4m3 against e5m2.
    Fp8,
    /// 8-bit float e4m3.
    Fp8E4m3,
    /// 8-bit float e5m2.
    Fp8E5m2,
    /// 6-bit float (e3m2 or e2m3).
    Fp6,
    /// 4-bit float (e2m1), NVFP4 and MXFP4 alike.
    Fp4,
    /// Signed 64-bit integer.
    Int64,
    /// Signed 32-bit integer.
    Int32,
    /// Signed 16-bit integer.
    Int16,
    /// Signed 8-bit integer.
    Int8,
    /// Unsigned 8-bit integer.
    Uint8,
    /// 4-bit integer.
    Int4,
    /// Boolean.
    Bool,
    /// Complex of two fp32.
    C64,
    /// Complex of two fp64.
    C128,
    /// Two different types on the multiply's inputs, or a conversion between two.
    Mixed,
    /// FP4 times FP8 in one multiply.
    MixedFp8Fp4,
}

impl Dtype {
    /// Every value, in declaration order.
    pub const ALL: [Self; 22] = [
        Self::Unknown,
        Self::Fp64,
        Self::Fp32,
        Self::Tf32,
        Self::Fp16,
        Self::Bf16,
        Self::Fp8,
        Self::Fp8E4m3,
        Self::Fp8E5m2,
        Self::Fp6,
        Self::Fp4,
        Self::Int64,
        Self::Int32,
        Self::Int16,
        Self::Int8,
        Self::Uint8,
        Self::Int4,
        Self::Bool,
        Self::C64,
        Self::C128,
        Self::Mixed,
        Self::MixedFp8Fp4,
    ];

    /// The stable spelling: `bf16`, `fp8_e4m3`, `unknown`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Fp64 => "fp64",
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Fp8 => "fp8",
            Self::Fp8E4m3 => "fp8_e4m3",
            Self::Fp8E5m2 => "fp8_e5m2",
            Self::Fp6 => "fp6",
            Self::Fp4 => "fp4",
            Self::Int64 => "int64",
            Self::Int32 => "int32",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Int4 => "int4",
            Self::Bool => "bool",
            Self::C64 => "c64",
            Self::C128 => "c128",
            Self::Mixed => "mixed",
            Self::MixedFp8Fp4 => "mixed_fp8_fp4",
        }
    }

    /// Reads the stable spelling and the common framework spellings (`torch.bfloat16`, `half`,
    /// `c10::Half`, `e4m3`, `float8_e4m3fn`, …); `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("torch.").unwrap_or(text);
        if let Some(found) = Self::ALL.into_iter().find(|dtype| dtype.as_str() == text) {
            return Some(found);
        }
        let last = text.rsplit("::").next().unwrap_or(text);
        if text == "c10::complex<float>" || text == "complex64" {
            return Some(Self::C64);
        }
        match last {
            "long" | "long int" | "int64_t" => Some(Self::Int64),
            "int" | "int32_t" => Some(Self::Int32),
            "short" | "short int" | "int16_t" => Some(Self::Int16),
            "signed char" | "int8_t" => Some(Self::Int8),
            "unsigned char" | "uint8_t" => Some(Self::Uint8),
            "bool" => Some(Self::Bool),
            _ => real_from_word(last).or_else(|| from_tag(&last.to_ascii_lowercase())),
        }
    }

    /// Storage width in bits; `None` where it is not one number.
    pub fn bits(self) -> Option<u32> {
        match self {
            Self::Unknown | Self::Mixed | Self::MixedFp8Fp4 => None,
            Self::C128 => Some(128),
            Self::Fp64 | Self::Int64 | Self::C64 => Some(64),
            Self::Fp32 | Self::Tf32 | Self::Int32 => Some(32),
            Self::Fp16 | Self::Bf16 | Self::Int16 => Some(16),
            Self::Fp8 | Self::Fp8E4m3 | Self::Fp8E5m2 => Some(8),
            Self::Int8 | Self::Uint8 | Self::Bool => Some(8),
            Self::Fp6 => Some(6),
            Self::Fp4 | Self::Int4 => Some(4),
        }
    }

    /// Whether this is a floating-point type of at most 16 bits, which CUDA cores rarely multiply
    /// in a matrix kernel.
    pub(crate) fn is_narrow_real(self) -> bool {
        matches!(
            self,
            Self::Fp16
                | Self::Bf16
                | Self::Fp8
                | Self::Fp8E4m3
                | Self::Fp8E5m2
                | Self::Fp6
                | Self::Fp4
        )
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The real (floating-point) type one C++ word names, vector forms included.
///
/// Spellings from CUDA's `cuda_fp16.h`, `cuda_bf16.h`, `cuda_fp8.h`, `cuda_fp4.h`, CUTLASS's
/// `numeric_types.h`, c10, ONNX Runtime, Eigen, HIP and the C++23 extended types. Scale formats
/// (`float_ue8m0_t`, `float_ue4m3_t`) are not operand types and are left out, and so are
/// `float2`/`float4`, which kernels use as opaque wide loads.
pub(crate) fn real_from_word(word: &str) -> Option<Dtype> {
    Some(match word {
        "double" => Dtype::Fp64,
        "float" => Dtype::Fp32,
        "__half" | "half" | "Half" | "half_t" | "__half2" | "half2" | "float16" | "float16_t"
        | "_Float16" | "MLFloat16" | "__half_raw" | "rocblas_half" | "fp16_t" | "f16_t"
        | "HALF" => Dtype::Fp16,
        "__nv_bfloat16" | "__nv_bfloat162" | "nv_bfloat16" | "nv_bfloat162" | "BFloat16"
        | "bfloat16_t" | "bfloat16" | "__hip_bfloat16" | "__hip_bfloat162" | "hip_bfloat16"
        | "bf16_t" | "bhalf_t" | "__bf16" | "__bfloat16" | "rocblas_bfloat16" | "bf16" => {
            Dtype::Bf16
        }
        "tfloat32_t" | "tf32_t" => Dtype::Tf32,
        "__nv_fp8_e4m3"
        | "__nv_fp8x2_e4m3"
        | "__nv_fp8x4_e4m3"
        | "Float8_e4m3fn"
        | "Float8_e4m3fnuz"
        | "float_e4m3_t"
        | "Float8E4M3FN"
        | "Float8E4M3FNUZ"
        | "float8_e4m3fn"
        | "float8_e4m3fnuz"
        | "__hip_fp8_e4m3"
        | "__hip_fp8_e4m3_fnuz"
        | "float8_e4m3"
        | "fp8e4nv"
        | "fp8_e4m3_t" => Dtype::Fp8E4m3,
        "__nv_fp8_e5m2"
        | "__nv_fp8x2_e5m2"
        | "__nv_fp8x4_e5m2"
        | "Float8_e5m2"
        | "Float8_e5m2fnuz"
        | "float_e5m2_t"
        | "Float8E5M2"
        | "Float8E5M2FNUZ"
        | "float8_e5m2"
        | "__hip_fp8_e5m2"
        | "__hip_fp8_e5m2_fnuz" => Dtype::Fp8E5m2,
        "fp8_t" | "f8_t" | "float8" => Dtype::Fp8,
        "float_e3m2_t"
        | "float_e2m3_t"
        | "float_e3m2_unpacksmem_t"
        | "float_e2m3_unpacksmem_t"
        | "__nv_fp6_e3m2"
        | "__nv_fp6_e2m3" => Dtype::Fp6,
        "float_e2m1_t"
        | "float_e2m1_unpacksmem_t"
        | "__nv_fp4_e2m1"
        | "__nv_fp4x2_e2m1"
        | "__nv_fp4x4_e2m1"
        | "Float4_e2m1fn_x2" => Dtype::Fp4,
        "cuComplex" | "cuFloatComplex" | "magmaFloatComplex" | "hipFloatComplex" => Dtype::C64,
        "cuDoubleComplex" | "magmaDoubleComplex" | "hipDoubleComplex" => Dtype::C128,
        _ => return None,
    })
}

/// The type a lower-case tag in a plain name stands for: `bf16`, `f16`, `e4m3`, `mxfp4`, …
pub(crate) fn from_tag(tag: &str) -> Option<Dtype> {
    Some(match tag {
        "f64" | "fp64" | "double" | "float64" | "f64f64" => Dtype::Fp64,
        "f32" | "fp32" | "float" | "float32" => Dtype::Fp32,
        "tf32" | "tf32x3" => Dtype::Tf32,
        "f16" | "fp16" | "half" | "float16" | "h16" | "hf" => Dtype::Fp16,
        "bf16" | "bfloat16" | "bf" => Dtype::Bf16,
        "fp8" | "f8" | "float8" => Dtype::Fp8,
        "e4m3" | "fp8e4m3" | "fp8e4nv" | "f8e4m3" | "e4m3fn" | "mxe4m3" | "float8e4m3fn"
        | "f8e4m3fn" | "fp8_e4m3" | "mxfp8" | "nvfp8" | "fp8e4b8" => Dtype::Fp8E4m3,
        "e5m2" | "fp8e5m2" | "fp8e5" | "f8e5m2" | "mxe5m2" | "float8e5m2" | "fp8e5b16" => {
            Dtype::Fp8E5m2
        }
        "fp6" | "e3m2" | "e2m3" | "mxe3m2" | "mxe2m3" => Dtype::Fp6,
        "fp4" | "f4" | "e2m1" | "mxe2m1" | "mxfp4" | "nvfp4" | "xf4" | "nvf4" | "f4e2m1fn" => {
            Dtype::Fp4
        }
        "i8" | "int8" | "s8" => Dtype::Int8,
        "u8" | "uint8" => Dtype::Uint8,
        "i16" | "int16" => Dtype::Int16,
        "i32" | "int32" | "s32" => Dtype::Int32,
        "i64" | "int64" | "s64" => Dtype::Int64,
        "i4" | "int4" | "s4" | "u4" => Dtype::Int4,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stable_spelling_reads_back() {
        for dtype in Dtype::ALL {
            assert_eq!(Dtype::parse(dtype.as_str()), Some(dtype));
        }
    }

    #[test]
    fn framework_spellings_are_read() {
        assert_eq!(Dtype::parse("torch.bfloat16"), Some(Dtype::Bf16));
        assert_eq!(Dtype::parse("c10::Half"), Some(Dtype::Fp16));
        assert_eq!(Dtype::parse("c10::Float8_e4m3fn"), Some(Dtype::Fp8E4m3));
        assert_eq!(Dtype::parse("long int"), Some(Dtype::Int64));
        assert_eq!(Dtype::parse("unsigned char"), Some(Dtype::Uint8));
        assert_eq!(Dtype::parse("Tensor"), None);
    }

    #[test]
    fn scale_formats_are_not_operand_types() {
        assert_eq!(real_from_word("float_ue8m0_t"), None);
        assert_eq!(real_from_word("float4"), None);
    }
}

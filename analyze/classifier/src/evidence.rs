//! Evidence beyond the grammar: instruction words, types, launch shape, operands, device.

use std::borrow::Cow;

use crate::class::{Confidence, Fact, KernelClass, TensorCore};
use crate::dtype::{self, Dtype};
use crate::grammar::mma::{self, Unit};
use crate::name::Name;
use crate::query::{KernelQuery, Launch};
use crate::role::Role;
use crate::words::Words;

/// Decides on tensor cores for a matrix multiply known only by its words.
pub(crate) fn matrix_unit(
    class: KernelClass,
    name: &Name<'_>,
    query: &KernelQuery<'_>,
) -> KernelClass {
    match mma::find(name, name.template()) {
        Some(Unit::Tensor(dtype, word)) => {
            let class = if dtype == Dtype::Unknown {
                class
            } else {
                class.computes(dtype, format!("operands of \"{word}\""))
            };
            return class.on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                format!("matrix instruction \"{word}\""),
            );
        }
        Some(Unit::CudaCores(dtype)) => {
            let class = if dtype == Dtype::Unknown {
                class
            } else {
                class.computes(dtype, "SIMT operand type")
            };
            return class.on_tensor_cores(TensorCore::No, Confidence::High, "SIMT template");
        }
        None => {}
    }
    let words = Words::of(name.function());
    if let Some(word) = words.iter().find(|word| says_cuda_cores(word)) {
        let why = format!("\"{word}\" means CUDA cores");
        return class.on_tensor_cores(TensorCore::No, Confidence::High, why);
    }
    if let Some(word) = words.iter().find(|word| mma::word_says_tensor(word)) {
        let why = format!("\"{word}\" is a matrix instruction");
        return class.on_tensor_cores(TensorCore::Yes, Confidence::High, why);
    }
    let role = class.role.value;
    let is_attention = role.is_matmul() && !matches!(role, Role::Gemm | Role::Conv);
    if name.is_plain && (is_attention || looks_like_triton(name)) {
        return class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::Low,
            "Triton multiplies with tl.dot",
        );
    }
    let dtype = class.compute_dtype.value;
    if matches!(dtype, Dtype::Fp32 | Dtype::Fp64 | Dtype::C64 | Dtype::C128) {
        return class.on_tensor_cores(
            TensorCore::No,
            Confidence::Low,
            "wide operands and no matrix instruction named",
        );
    }
    let generation =
        words.iter().chain(name.namespaces()).find(|word| says_tensor_generation(word));
    if let Some(word) = generation {
        let why = format!("written for \"{word}\", with narrow operands");
        return class.on_tensor_cores(TensorCore::Yes, Confidence::Medium, why);
    }
    let narrow = dtype.is_narrow_real() || dtype == Dtype::Int8;
    if narrow && tile_arguments(name) >= 3 {
        return class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::Low,
            "narrow operands and a tile shape in the arguments",
        );
    }
    if role == Role::Gemm && dtype.is_narrow_real() && dtype.bits() != Some(16) {
        return class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::Low,
            "8-bit and narrower floats are multiplied on tensor cores",
        );
    }
    if let Some((answer, why)) = query.launch.and_then(|launch| launch_evidence(&launch)) {
        return class.on_tensor_cores(answer, Confidence::Low, why);
    }
    class.on_tensor_cores(
        TensorCore::Unknown,
        Confidence::Low,
        "neither instruction nor tile in the name",
    )
}

fn says_cuda_cores(word: &str) -> bool {
    matches!(
        word,
        "simt"
            | "ffma"
            | "dfma"
            | "hfma"
            | "hfma2"
            | "dp4a"
            | "idp4a"
            | "sgemm"
            | "dgemm"
            | "cgemm"
            | "zgemm"
            | "naive"
            | "gemv"
            | "scalar"
            | "dpp"
            | "valu"
            | "vecmat"
    )
}

fn says_tensor_generation(word: &str) -> bool {
    matches!(
        word,
        "sm80"
            | "sm86"
            | "sm89"
            | "sm90"
            | "sm90a"
            | "sm100"
            | "sm100a"
            | "sm100f"
            | "sm103"
            | "sm120"
            | "sm121"
            | "hopper"
            | "blackwell"
            | "ampere"
    )
}

/// Whether the function's own name says a matrix instruction.
pub(crate) fn names_instruction(name: &Name<'_>) -> bool {
    Words::of(name.function()).iter().any(mma::word_says_tensor)
}

/// Whether the function's own name says a GPU generation with tensor cores.
pub(crate) fn names_generation(name: &Name<'_>) -> bool {
    Words::of(name.function()).iter().any(says_tensor_generation)
}

/// A plain name in the style of Triton, whose multiplies are `tl.dot`: nothing but the function's
/// own name is left, and it begins with an underscore or says so.
fn looks_like_triton(name: &Name<'_>) -> bool {
    let function = name.function();
    name.is_plain
        && !function.bytes().any(|byte| byte.is_ascii_uppercase())
        && (function.starts_with('_') || function.contains("triton"))
}

/// How many template arguments look like a tile: multiples of 8 from 16 to 512.
fn tile_arguments(name: &Name<'_>) -> usize {
    name.args(name.template())
        .filter_map(|arg| name.number(arg))
        .filter(|value| (16..=512).contains(value) && value % 8 == 0)
        .count()
}

/// In traces of real serving, tensor-core multiplies have a median of 176 registers and 80 KiB of
/// shared memory; 46 of 50 have at least 96 and 32 KiB, against 26 of 109 other multiplies and 6 of
/// 304 other kernels. A tie-breaker, not a proof.
fn launch_evidence(launch: &Launch) -> Option<(TensorCore, &'static str)> {
    let registers = launch.registers?;
    let shared = launch.shared_memory_bytes?;
    if registers >= 96 && shared >= 32 * 1024 {
        return Some((
            TensorCore::Yes,
            "launched like a tensor-core multiply (registers, shared memory)",
        ));
    }
    if registers <= 64 && shared < 8 * 1024 {
        return Some((
            TensorCore::No,
            "too few registers and too little shared memory for a tensor-core multiply",
        ));
    }
    None
}

/// A type word in a plain name, where exactly one is there: `_finalize_matmul_scatter_bf16`.
pub(crate) fn tagged_type(name: &Name<'_>, role: Role) -> Option<Dtype> {
    let mut found = None;
    for word in name.function().split('_') {
        let Some(dtype) = dtype::from_tag(&word.to_ascii_lowercase()) else { continue };
        let dtype = if dtype == Dtype::Fp8 && role == Role::Gemm { Dtype::Fp8E4m3 } else { dtype };
        let wide = matches!(dtype, Dtype::Fp16 | Dtype::Bf16 | Dtype::Fp32 | Dtype::Fp64);
        // Outside multiplies a narrow type word is the target of a conversion.
        if !wide && !role.is_matmul() {
            continue;
        }
        if found.is_some_and(|other| other != dtype) {
            return None;
        }
        found = Some(dtype);
    }
    found
}

/// Fills what the name left open from operands, device and launch.
pub(crate) fn complete(mut class: KernelClass, query: &KernelQuery<'_>) -> KernelClass {
    if let Some(found) = query.compute_capability
        && found.major < 7
        && class.tensor_core.value != TensorCore::No
    {
        class.tensor_core =
            Fact::new(TensorCore::No, Confidence::High, "the device has no tensor cores");
    }
    let operand = query
        .operand_types
        .iter()
        .copied()
        .find(|dtype| dtype.bits().is_some_and(|bits| bits >= 4) && !is_index(*dtype));
    if let Some(operand) = operand {
        if class.storage_dtype.value == Dtype::Unknown {
            class.storage_dtype = Fact::new(operand, Confidence::High, "operator input type");
        }
        if class.compute_dtype.value == Dtype::Unknown {
            class = computed_from_operands(class, operand, query.operand_types);
        }
    }
    if class.role.value.is_matmul()
        && class.tensor_core.value == TensorCore::Unknown
        && let Some((answer, why)) = query.launch.and_then(|launch| launch_evidence(&launch))
    {
        class.tensor_core = Fact::new(answer, Confidence::Low, Cow::Borrowed(why));
    }
    if class.storage_dtype.value == Dtype::Unknown
        && let Some(declared) = query.declared
    {
        class.storage_dtype = Fact::new(declared, Confidence::Low, "declared type of the model");
    }
    class
}

fn is_index(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::Int64 | Dtype::Int32 | Dtype::Int16 | Dtype::Bool)
}

/// An operator's input type is the type computed in, except that fp32 on tensor cores is TF32 and
/// fp32 where the unit is unknown may be either.
fn computed_from_operands(mut class: KernelClass, operand: Dtype, all: &[Dtype]) -> KernelClass {
    let is_matmul = class.role.value.is_matmul();
    let reals: Vec<Dtype> =
        all.iter().copied().filter(|dtype| !is_index(*dtype) && *dtype != Dtype::Unknown).collect();
    let uniform = reals.iter().all(|dtype| *dtype == operand);
    if is_matmul && !uniform {
        return class;
    }
    let (dtype, why) = match (operand, class.tensor_core.value) {
        (Dtype::Fp32, TensorCore::Yes) if is_matmul => {
            (Dtype::Tf32, "fp32 operator inputs on tensor cores")
        }
        (Dtype::Fp32, TensorCore::Unknown) if is_matmul => return class,
        _ => (operand, "operator input type"),
    };
    class.compute_dtype = Fact::new(dtype, Confidence::Medium, why);
    let generated = matches!(class.library.value, "inductor" | "triton" | "triton_kernels" | "xla");
    if is_matmul
        && generated
        && class.tensor_core.value == TensorCore::Unknown
        && dtype.is_narrow_real()
    {
        class.tensor_core =
            Fact::new(TensorCore::Yes, Confidence::Medium, "generated multiply of narrow operands");
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify;
    use crate::query::ComputeCapability;

    #[test]
    fn operands_settle_what_an_inductor_name_cannot() {
        let operands = [Dtype::Bf16, Dtype::Bf16];
        let query =
            KernelQuery { operand_types: &operands, ..KernelQuery::named("triton_tem_fused_mm_3") };
        let class = classify(&query);
        assert_eq!(class.compute_dtype.value, Dtype::Bf16);
        assert_eq!(class.tensor_core.value, TensorCore::Yes);
    }

    #[test]
    fn fp32_inputs_do_not_tell_tf32_from_fp32() {
        let operands = [Dtype::Fp32, Dtype::Fp32];
        let query =
            KernelQuery { operand_types: &operands, ..KernelQuery::named("triton_tem_fused_mm_3") };
        assert_eq!(classify(&query).compute_dtype.value, Dtype::Unknown);
    }

    #[test]
    fn declared_type_is_never_the_type_computed_in() {
        let query = KernelQuery {
            declared: Some(Dtype::Fp16),
            ..KernelQuery::named("triton_tem_fused_mm_3")
        };
        let class = classify(&query);
        assert_eq!(class.compute_dtype.value, Dtype::Unknown);
        assert_eq!(class.storage_dtype.value, Dtype::Fp16);
    }

    #[test]
    fn devices_without_tensor_cores_use_none() {
        let query = KernelQuery {
            compute_capability: Some(ComputeCapability::new(6, 0)),
            ..KernelQuery::named("fmha_v2_flash_attention_fp16_64_128_S_128_sm80_kernel")
        };
        assert_eq!(classify(&query).tensor_core.value, TensorCore::No);
    }

    #[test]
    fn launch_shape_breaks_the_tie() {
        let name = "void acme::my_gemm<__half>(__half*)";
        assert_eq!(classify(&KernelQuery::named(name)).tensor_core.value, TensorCore::Unknown);
        let launch =
            Launch { registers: Some(168), shared_memory_bytes: Some(98_304), ..Launch::default() };
        let query = KernelQuery { launch: Some(launch), ..KernelQuery::named(name) };
        assert_eq!(classify(&query).tensor_core.value, TensorCore::Yes);
    }
}

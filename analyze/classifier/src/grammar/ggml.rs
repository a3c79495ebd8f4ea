//! ggml (llama.cpp and what embeds it).
//!
//! `mul_mat_q<(ggml_type)n, …>` quantises the activations to q8_1 and multiplies int8: on matrix
//! cores from sm_75 on, with dp4a below; `mul_mat_vec_q<…>` is always dp4a. The older vendored form
//! with the block type in the name (`mul_mat_q4_0`, `mul_mat_vec_q4_0_q8_1_cuda`, `moe_q4_K`) and
//! `mul_mat_vec_q<T, …, block_q4_0, …>` has no matrix instructions on any architecture (SASS of the
//! sgl-kernel and vLLM wheels). `mul_mat_vec<T>`/`mul_mat_f<T, …>` are float. `flash_attn_ext_f16`
//! and
//! `…_mma_…` use matrix cores, `flash_attn_tile_*` and `flash_attn_vec_*` do not.
//! Source: ggml-org/llama.cpp `ggml/src/ggml-cuda`.

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    multiply(name, function, query)
        .or_else(|| attention(function))
        .or_else(|| convert(name, function))
        .or_else(|| helper(name, function))
}

fn make(operation: &'static str, role: Role) -> KernelClass {
    KernelClass::new("ggml", operation, role, "ggml kernel name")
}

fn multiply(name: &Name<'_>, function: &str, query: &KernelQuery<'_>) -> Option<KernelClass> {
    let int8 =
        |class: KernelClass| class.computes(Dtype::Int8, "activations are quantised to q8_1");
    let dp4a = |class: KernelClass| {
        int8(class).on_tensor_cores(TensorCore::No, Confidence::High, "dp4a on CUDA cores")
    };
    if function.starts_with("mul_mat_vec_q") {
        return Some(dp4a(make("gemv_gguf", Role::Gemm)));
    }
    if function == "mul_mat_q" || function == "mul_mat_q_stream_k" {
        let class = int8(make("gemm_gguf", Role::Gemm));
        return Some(match query.compute_capability {
            Some(found) if (found.major, found.minor) < (7, 5) => class.on_tensor_cores(
                TensorCore::No,
                Confidence::High,
                "int8 matrix cores begin with sm_75",
            ),
            Some(_) => class.on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                "int8 matrix cores from sm_75 on",
            ),
            None => class.on_tensor_cores(
                TensorCore::Yes,
                Confidence::Medium,
                "matrix cores on sm_75 and newer, dp4a before",
            ),
        });
    }
    if function.starts_with("mul_mat_q") && function.ends_with("stream_k_fixup") {
        return Some(
            make("splitk_reduce", Role::Gemm)
                .computes(Dtype::Fp32, "sums fp32 partial tiles")
                .on_tensor_cores(TensorCore::No, Confidence::High, "sums partial tiles"),
        );
    }
    if function.strip_prefix("mul_mat_").is_some_and(is_block) {
        return Some(dp4a(make("gemm_gguf", Role::Gemm)));
    }
    if function.strip_prefix("moe_").is_some_and(is_block) {
        return Some(dp4a(make("moe_gemm_gguf", Role::Gemm)));
    }
    if function == "moe_vec_q" {
        return Some(dp4a(make("moe_gemv_gguf", Role::Gemm)));
    }
    if function.starts_with("dequantize_mul_mat_vec") {
        let dtype = name.first_real(name.template()).unwrap_or(Dtype::Fp32);
        return Some(
            make("gemv_gguf", Role::Gemm)
                .computes(dtype, "weights are converted before the multiply")
                .dtype_confidence(Confidence::Medium)
                .on_tensor_cores(
                    TensorCore::No,
                    Confidence::High,
                    "matrix-vector product on CUDA cores",
                ),
        );
    }
    if matches!(function, "mul_mat_vec" | "mul_mat_vec_f")
        || function.starts_with("mul_mat_vec_p021")
        || function.starts_with("mul_mat_vec_nc")
        || function == "mul_mat_p021_f16_f32"
        || function == "mul_mat_vec_nc_f16_f32"
    {
        let dtype = name.first_real(name.template()).unwrap_or(if function.contains("f16") {
            Dtype::Fp16
        } else {
            Dtype::Unknown
        });
        return Some(
            make("gemv", Role::Gemm).computes(dtype, "operand type argument").on_tensor_cores(
                TensorCore::No,
                Confidence::High,
                "matrix-vector product on CUDA cores",
            ),
        );
    }
    if function == "mul_mat_f" || function == "mul_mat_f_ids" {
        let dtype = name.first_real(name.template())?;
        let dtype = if dtype == Dtype::Fp32 { Dtype::Tf32 } else { dtype };
        return Some(
            make("gemm", Role::Gemm).computes(dtype, "operand type argument").on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                "ggml mmf uses matrix instructions",
            ),
        );
    }
    None
}

fn attention(function: &str) -> Option<KernelClass> {
    let rest = function.strip_prefix("flash_attn_")?;
    let no = |class: KernelClass, why: &'static str| {
        class.on_tensor_cores(TensorCore::No, Confidence::High, why)
    };
    if rest.starts_with("combine") || rest.starts_with("stream_k_fixup") {
        return Some(no(
            make("attention_combine", Role::AttentionDecode)
                .computes(Dtype::Fp32, "sums fp32 partial results"),
            "weighted sum",
        ));
    }
    if rest.starts_with("mask") {
        return Some(make("attention_metadata", Role::Metadata));
    }
    let fp16 =
        |class: KernelClass| class.computes(Dtype::Fp16, "ggml attention multiplies in fp16");
    if rest.contains("vec") {
        let class = make("attention_fwd", Role::AttentionDecode);
        let class = if rest.contains("f32") {
            class.computes(Dtype::Fp32, "type field")
        } else {
            fp16(class)
        };
        return Some(no(class, "vector kernel on CUDA cores"));
    }
    if rest.starts_with("tile") {
        let class = make("attention_fwd", Role::Attention);
        let class = if rest.contains("f32") {
            class.computes(Dtype::Fp32, "type field")
        } else {
            fp16(class)
        };
        return Some(no(class, "tile kernel on CUDA cores"));
    }
    if rest.starts_with("ext") {
        return Some(fp16(make("attention_fwd", Role::Attention)).on_tensor_cores(
            TensorCore::Yes,
            Confidence::High,
            "matrix-instruction kernel",
        ));
    }
    None
}

fn convert(name: &Name<'_>, function: &str) -> Option<KernelClass> {
    if function == "dequantize_block" || function.starts_with("dequantize_block_") {
        return Some(
            make("dequantize_gguf", Role::Dequantize)
                .computes(output_type(name), "output type argument"),
        );
    }
    if function.starts_with("quantize_q8") || function.starts_with("quantize_mmq") {
        let dtype = name
            .first_real(name.template())
            .or_else(|| name.param_real())
            .unwrap_or(Dtype::Unknown);
        return Some(make("quantize_q8", Role::Quantize).computes(dtype, "input type"));
    }
    if function == "convert_unary" {
        return Some(make("cast", Role::Cast).computes(Dtype::Mixed, "converts between two types"));
    }
    None
}

fn helper(name: &Name<'_>, function: &str) -> Option<KernelClass> {
    let fp32 = |class: KernelClass| class.computes(Dtype::Fp32, "ggml activations are fp32");
    Some(match function {
        "k_get_rows" | "k_get_rows_float" | "get_rows" => {
            make("get_rows", Role::Embedding).computes(output_type(name), "output type argument")
        }
        "k_set_rows" | "k_set_rows_quant" => {
            make("kvwrite", Role::KvCacheWrite).computes(output_type(name), "type argument")
        }
        "k_bin_bcast" | "k_bin_bcast_unravel" => {
            let operation = match name.find_word(name.template(), |word| word.starts_with("op_")) {
                Some("op_mul") => "mul",
                Some("op_div") => "div",
                Some("op_sub") => "sub",
                Some("op_repeat") => "expand",
                _ => "add",
            };
            make(operation, Role::Elementwise).computes(output_type(name), "type argument")
        }
        "soft_max_f32" => fp32(make("softmax", Role::Softmax)),
        "rope_norm" | "rope_neox" | "rope_multi" | "rope_vision" => {
            make("rope", Role::Rope).computes(output_type(name), "type argument")
        }
        "cpy_flt"
        | "cpy_f32_f16"
        | "cpy_f32_q"
        | "cpy_q_f32"
        | "cpy_scalar"
        | "cpy_scalar_transpose" => make("copy", Role::Copy),
        "k_argsort_f32_i32" => fp32(make("argsort", Role::Sort)),
        "k_compute_batched_ptrs" => make("gemm_metadata", Role::Metadata),
        "unary_op_kernel" | "unary_gated_op_kernel" => {
            make("activation", Role::Activation).computes(output_type(name), "type argument")
        }
        "topk_moe_cuda" => fp32(make("moe_topk", Role::MoeRouting)),
        "mm_ids_helper" => make("moe_metadata", Role::Metadata),
        "ssm_scan_f32" | "ssm_scan_f32_group" => fp32(make("mamba_scan", Role::AttentionPrefill))
            .on_tensor_cores(TensorCore::No, Confidence::High, "scan on CUDA cores"),
        "ssm_conv_f32" | "ssm_conv_long_token_f32" => fp32(make("conv1d_causal", Role::Attention))
            .on_tensor_cores(TensorCore::No, Confidence::High, "short convolution on CUDA cores"),
        "rwkv_wkv_f32" | "rwkv_wkv7_f32" | "gated_linear_attn_f32" => fp32(make(
            "linear_attention",
            Role::Attention,
        ))
        .on_tensor_cores(TensorCore::No, Confidence::High, "recurrence on CUDA cores"),
        _ if function.starts_with("rms_norm_f32") || function.starts_with("rms_norm_mul") => {
            fp32(make("rmsnorm", Role::Norm))
        }
        _ if function.starts_with("norm_f32") => fp32(make("layernorm", Role::Norm)),
        _ if function.starts_with("group_norm_f32") => fp32(make("groupnorm", Role::Norm)),
        _ if function.starts_with("l2_norm_f32") => fp32(make("l2norm", Role::Norm)),
        _ => return None,
    })
}

/// The last real type argument: ggml templates end in the destination type.
fn output_type(name: &Name<'_>) -> Dtype {
    name.args(name.template()).filter_map(|arg| name.real(arg)).last().unwrap_or(Dtype::Unknown)
}

/// `q4_0`, `q3_K`, `iq2_xs`, `mxfp4`: a ggml block format, and nothing after it.
fn is_block(text: &str) -> bool {
    let text = text.strip_prefix('i').unwrap_or(text);
    if text == "mxfp4" {
        return true;
    }
    let Some(rest) = text.strip_prefix('q') else { return false };
    let mut characters = rest.chars();
    characters.next().is_some_and(|c| c.is_ascii_digit())
        && matches!(characters.as_str(), "_0" | "_1" | "_K" | "_s" | "_m" | "_xs" | "_xxs" | "_nl")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::TensorCore;
    use crate::classify;
    use crate::grammar::tests::line;
    use crate::query::ComputeCapability;

    #[test]
    fn the_block_type_in_the_name_means_dp4a() {
        assert_eq!(
            line("void mul_mat_q6_K<float, true>(void const*)"),
            "gemm_gguf gemm int8 no ggml"
        );
        assert_eq!(
            line("void mul_mat_vec_q<(ggml_type)2, 1, false>(void const*)"),
            "gemv_gguf gemm int8 no ggml"
        );
    }

    #[test]
    fn mmq_depends_on_the_device() {
        let name = "void mul_mat_q<(ggml_type)12, 64, false>(char const*)";
        assert_eq!(line(name), "gemm_gguf gemm int8 yes ggml");
        let old = KernelQuery {
            compute_capability: Some(ComputeCapability::new(6, 1)),
            ..KernelQuery::named(name)
        };
        assert_eq!(classify(&old).tensor_core.value, TensorCore::No);
    }

    #[test]
    fn attention_variants() {
        assert_eq!(
            line("void flash_attn_ext_f16<128, 128, 16, 4, 2, 8, false>(char const*)"),
            "attention_fwd attention fp16 yes ggml"
        );
        assert_eq!(
            line("void flash_attn_vec_ext_f16<128, 1, (ggml_type)1>(char const*)"),
            "attention_fwd attention_decode fp16 no ggml"
        );
        assert_eq!(
            line("void dequantize_block_q4_K<__half>(void const*, __half*)"),
            "dequantize_gguf dequantize fp16 no ggml"
        );
    }
}

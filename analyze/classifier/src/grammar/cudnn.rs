//! cuDNN kernels outside the xmma, CUTLASS and architecture-named grammars.
//!
//! Classic engines (`implicit_convolve_sgemm<float, …>`, `wgrad_alg0_engine`, Winograd, FFT), batch
//! norm (`cudnn::bn_fw_*`), layout changes and offsets run on CUDA cores and name their type first.
//! `cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_*` is the run-time generated
//! attention; it prints `f16` for bf16 problems too, so its type stays open.

use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::{self, Dtype};
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;

use super::tags;

pub(crate) fn parse(name: &Name<'_>, _query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    if let Some(rest) = function.strip_prefix("cudnn_generated_") {
        return Some(generated(rest));
    }
    let inside =
        name.namespaces().any(|space| space.starts_with("cudnn") || space.starts_with("cask"));
    let (operation, role) = classic(function, inside)?;
    let dtype = name
        .args(name.template())
        .find_map(|arg| name.real(arg))
        .or_else(|| name.param_real().filter(|_| role != Role::Metadata));
    let class = KernelClass::new("cudnn", operation, role, "cuDNN engine name");
    if role == Role::Metadata {
        return Some(class);
    }
    if dtype.is_none() && role == Role::Conv {
        return Some(class.computes(Dtype::Unknown, "cuDNN engine without a type in the name"));
    }
    let is_half_fft = function.starts_with("fft2d") || function.starts_with("flip_filter");
    let class = class.computes(dtype.unwrap_or(Dtype::Unknown), "first type argument");
    Some(if role.is_matmul() {
        let why = if is_half_fft {
            "FFT convolution on CUDA cores"
        } else {
            "classic cuDNN engine on CUDA cores"
        };
        class.on_tensor_cores(TensorCore::No, Confidence::High, why)
    } else {
        class
    })
}

/// Operation and role of an engine.
fn classic(function: &str, inside: bool) -> Option<(&'static str, Role)> {
    let find = |table: &[(&str, &'static str, Role)]| {
        table
            .iter()
            .find(|(prefix, ..)| function.starts_with(prefix))
            .map(|(_, operation, role)| (*operation, *role))
    };
    if inside && function.starts_with("compute") && function.contains("ffsets") {
        return Some(("conv_metadata", Role::Metadata));
    }
    if function.contains("inograd")
        && (inside || function.contains("Winograd") || function.starts_with("winograd"))
    {
        return Some(("conv_winograd", Role::Conv));
    }
    find(DISTINCT).or_else(|| inside.then(|| find(INSIDE)).flatten())
}

/// Names that are cuDNN's wherever they stand.
const DISTINCT: &[(&str, &str, Role)] = &[
    ("implicit_convolve", "conv_fprop", Role::Conv),
    ("explicit_convolve", "conv_fprop", Role::Conv),
    ("precomputed_convolve", "conv_fprop", Role::Conv),
    ("convolve_", "conv_fprop", Role::Conv),
    ("cudnn_convolve", "conv_fprop", Role::Conv),
    ("conv2d_c1", "conv_fprop", Role::Conv),
    ("conv2d_grouped_direct", "conv_fprop", Role::Conv),
    ("wgrad_alg", "conv_wgrad", Role::Conv),
    ("wgrad2d", "conv_wgrad", Role::Conv),
    ("cudnn_wgrad", "conv_wgrad", Role::Conv),
    ("dgrad2d", "conv_dgrad", Role::Conv),
    ("dgrad_engine", "conv_dgrad", Role::Conv),
    ("dgrad_alg", "conv_dgrad", Role::Conv),
    ("fft2d_", "conv_fft", Role::Conv),
    ("fft1d_", "conv_fft", Role::Conv),
    ("flip_filter", "conv_fft", Role::Conv),
    ("compute_gemm_pointers", "conv_fft", Role::Conv),
    ("nchwToNhwc", "layout_transform", Role::Copy),
    ("nhwcToNchw", "layout_transform", Role::Copy),
    ("nchwToFoldedNhwc", "layout_transform", Role::Copy),
    ("foldedNhwcToNchw", "layout_transform", Role::Copy),
    ("nchwAddPadding", "layout_transform", Role::Copy),
    ("nhwcAddPadding", "layout_transform", Role::Copy),
];

/// Names other libraries could use; they count inside a cuDNN namespace.
const INSIDE: &[(&str, &str, Role)] = &[
    ("bn_fw", "batch_norm", Role::Norm),
    ("bnfw", "batch_norm", Role::Norm),
    ("bn_inf", "batch_norm", Role::Norm),
    ("batchnorm_fw", "batch_norm", Role::Norm),
    ("bn_bw", "batch_norm_bwd", Role::Norm),
    ("bnbw", "batch_norm_bwd", Role::Norm),
    ("batchnorm_bw", "batch_norm_bwd", Role::Norm),
    ("im2col", "im2col", Role::Conv),
    ("col2im", "im2col", Role::Conv),
    ("softmax", "softmax", Role::Softmax),
    ("pooling", "pooling", Role::Pooling),
    ("avgPool", "pooling", Role::Pooling),
    ("maxPool", "pooling", Role::Pooling),
    ("reduce_wgrad", "conv_wgrad", Role::Conv),
    ("scalePackedTensor", "scal", Role::Elementwise),
    ("scaleTensor", "scal", Role::Elementwise),
    ("op_generic_tensor", "elementwise", Role::Elementwise),
    ("addTensor", "elementwise", Role::Elementwise),
    ("add_tensor", "elementwise", Role::Elementwise),
    ("setTensor", "fill", Role::Fill),
    ("activation", "activation", Role::Activation),
    ("compute_dot_do_o", "attention_bwd", Role::Attention),
    ("dot_do_o", "attention_bwd", Role::Attention),
    ("convert", "cast", Role::Cast),
    ("transformTensor", "cast", Role::Cast),
    ("transpose", "transpose", Role::Copy),
    ("LSTM", "rnn", Role::Other),
    ("GRU", "rnn", Role::Other),
    ("RNN", "rnn", Role::Other),
    ("elemWise", "rnn", Role::Other),
    ("reduce", "reduce", Role::Reduce),
    ("dropout", "dropout", Role::Elementwise),
    ("bias", "bias_grad", Role::Reduce),
    ("calc_bias_diff", "bias_grad", Role::Reduce),
    ("lrn", "norm", Role::Norm),
];

fn generated(rest: &str) -> KernelClass {
    let fields: Vec<&str> = rest.split('_').collect();
    let has = |field: &str| fields.contains(&field);
    let uses_mma = fields
        .iter()
        .any(|field| matches!(*field, "wgmma" | "mma" | "hmma" | "umma" | "tcgen05" | "utcmma"));
    let class = if has("sdpa") || has("mha") || has("attention") {
        let (operation, role) = if has("bprop") {
            ("attention_bwd", Role::Attention)
        } else {
            ("attention_fwd", Role::Attention)
        };
        KernelClass::new("cudnn", operation, role, "cuDNN generated attention").on_tensor_cores(
            TensorCore::Yes,
            Confidence::High,
            "generated attention uses matrix instructions",
        )
    } else if has("conv") || has("fprop") || has("dgrad") || has("wgrad") {
        KernelClass::new("cudnn", "conv_fprop", Role::Conv, "cuDNN generated convolution")
    } else if has("matmul") || has("gemm") {
        KernelClass::new("cudnn", "gemm", Role::Gemm, "cuDNN generated matmul")
    } else if fields
        .iter()
        .any(|f| f.contains("norm") || matches!(*f, "ln" | "rms" | "rmsnorm" | "layernorm"))
    {
        KernelClass::new("cudnn", "norm_fused", Role::Norm, "cuDNN generated norm")
    } else {
        KernelClass::new("cudnn", "elementwise", Role::Elementwise, "cuDNN generated kernel")
            .role_confidence(Confidence::Low)
    };
    let class = match class.role.value {
        Role::Gemm | Role::Conv if uses_mma => class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::High,
            "matrix instruction in the name",
        ),
        _ => class,
    };
    // 16-bit kernels print f16 whichever 16-bit type they run; 8-bit ones print their own.
    let narrow =
        fields.iter().find_map(|field| dtype::from_tag(field)).filter(|d| d.bits() == Some(8));
    let class = match narrow {
        Some(dtype) => class.computes(dtype, "type field of the generated name"),
        None => class.computes(Dtype::Unknown, "cuDNN prints f16 for bf16 problems too"),
    };
    match tags::arch(fields.iter().copied()) {
        Some(arch) => class.with(VariantKind::Arch, arch),
        None => class,
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn classic_engines_run_on_cuda_cores() {
        assert_eq!(
            line(
                "void implicit_convolve_sgemm<__half, float, 512, 6, 8, 3, 3, 5, 1, false, true, true>(int)"
            ),
            "conv_fprop conv fp16 no cudnn"
        );
        assert_eq!(
            line("void cudnn::winograd::winograd3x3Kernel<float, float, 1, 4, 8>(int)"),
            "conv_winograd conv fp32 no cudnn"
        );
        assert_eq!(
            line("void cudnn::bn_bw_1C11_kernel_new<float, float, float2, 512, true, 1>(float)"),
            "batch_norm_bwd norm fp32 no cudnn"
        );
        assert_eq!(
            line(
                "void cudnn::ops::nchwToNhwcKernel<__half, __half, float, false, true, (cudnnKernelDataType_t)0>(int)"
            ),
            "layout_transform copy fp16 no cudnn"
        );
    }

    #[test]
    fn generated_attention_prints_f16_for_both() {
        assert_eq!(
            line(
                "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_6_128x128x128_4x1x1_cga1x1x1_kernel0_0"
            ),
            "attention_fwd attention unknown yes cudnn"
        );
    }
}

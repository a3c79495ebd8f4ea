//! Which library an open-source kernel comes from, by namespace and by name.

use crate::name::Name;

/// The library, or `unknown` where neither namespace nor name tells.
pub(crate) fn of(name: &Name<'_>) -> &'static str {
    for space in name.namespaces() {
        if let Some(library) = by_namespace(space) {
            return library;
        }
    }
    by_function(name.function()).unwrap_or("unknown")
}

fn by_namespace(space: &str) -> Option<&'static str> {
    Some(match space {
        "turbomind" => "turbomind",
        "onnxruntime" => "onnxruntime",
        "ctranslate2" => "ctranslate2",
        "fastertransformer" => "fastertransformer",
        "transformer_engine" => "transformer_engine",
        "flashinfer" => "flashinfer",
        "tensorrt_llm" => "trtllm",
        "sglang" | "sgl_hip" | "sgl_kernel" => "sgl_kernel",
        "vllm" => "vllm",
        "marlin" | "marlin_moe_wna16" => "marlin",
        "machete" => "vllm",
        "fbgemm_gpu" => "fbgemm",
        "torchao" => "torchao",
        "xformers" => "xformers",
        "aiter" => "aiter",
        "deep_ep" => "deepep",
        "deep_gemm" => "deepgemm",
        "at" | "c10" => "aten",
        "bitsandbytes" => "bitsandbytes",
        "mscclpp" => "mscclpp",
        "tensorflow" => "tensorflow",
        "phi" | "paddle" => "paddle",
        "cudf" => "cudf",
        "raft" | "cuvs" => "raft",
        "ML" | "MLCommon" => "cuml",
        "cusparse" => "cusparse",
        "cusolver" => "cusolver",
        "cudnn" => "cudnn",
        "cublas" | "cublasLt" => "cublas",
        "cutensor" | "cutensor_internal_namespace" => "cutensor",
        "apex" => "apex",
        "nunchaku" => "nunchaku",
        "moe" => "trtllm_gen",
        _ => return None,
    })
}

fn by_function(function: &str) -> Option<&'static str> {
    let starts = |prefix: &str| function.starts_with(prefix);
    Some(
        if starts("kQuantize")
            || starts("kDequantize")
            || starts("kOptimizer")
            || starts("kPrecondition")
            || starts("kgemm_4bit")
            || starts("kInt8")
            || starts("gemm_4bit")
            || starts("kPercentile")
        {
            "bitsandbytes"
        } else if starts("split_embedding")
            || starts("bounds_check")
            || starts("linearize_index")
            || starts("permute_pooled")
        {
            "fbgemm"
        } else if starts("gemm_half_q_half")
            || starts("reconstruct_")
            || starts("VecQuant")
            || starts("q4_matmul")
        {
            "exllama_gptq"
        } else if starts("userbuffers_") || starts("kuserbuffers_") {
            "transformer_engine"
        } else if starts("sparse24_") || starts("sparseNM") {
            "xformers"
        } else if starts("ds_") || starts("apply_rotary_pos") {
            "deepspeed"
        } else if starts("mul_mat_") || starts("dequantize_block") {
            "ggml"
        } else {
            return None;
        },
    )
}

//! The kernels of a decoder-only transformer, with durations from a roofline of the device.

use crate::machine::Work;
use crate::recording::Launch;

/// Dense 16-bit tensor-core rate, flop per ns.
const TENSOR_RATE: f64 = 620_000.0;
/// FP32 CUDA-core rate, flop per ns.
const FP32_RATE: f64 = 48_000.0;
/// Memory rate, bytes per ns.
const MEMORY_RATE: f64 = 2_600.0;
/// No kernel is shorter than this, ns.
const FLOOR_NS: f64 = 1_700.0;

/// Sizes of a model.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Decoder layers.
    pub layers: u32,
    /// Width between layers.
    pub hidden: u64,
    /// Width within the feed-forward part.
    pub intermediate: u64,
    /// Width of keys, and of values.
    pub kv_width: u64,
    /// Tokens there are.
    pub vocabulary: u64,
    /// What multiplications run in.
    pub precision: Precision,
}

/// What the matrix multiplications run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 16-bit, on tensor cores.
    Bf16,
    /// 32-bit, on CUDA cores.
    Fp32,
}

/// What one forward pass computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Tokens through the linear layers.
    pub tokens: u64,
    /// Context tokens read by attention, over all requests.
    pub context_tokens: u64,
    /// Whether any request is in prefill.
    pub has_prefill: bool,
    /// Requests that produce a token.
    pub requests: u64,
}

impl Model {
    /// The kernels of one forward pass, in order, without sampling.
    pub fn forward(&self, batch: Batch) -> Vec<Work> {
        let mut kernels = vec![self.embedding(batch.tokens)];
        for _ in 0..self.layers {
            kernels.push(self.norm(batch.tokens));
            kernels.push(self.gemm(batch.tokens, self.hidden + 2 * self.kv_width, self.hidden));
            kernels.push(self.rope(batch.tokens));
            kernels.push(self.cache_write(batch.tokens));
            kernels.push(self.attention(batch));
            kernels.push(self.gemm(batch.tokens, self.hidden, self.hidden));
            kernels.push(self.norm(batch.tokens));
            kernels.push(self.gemm(batch.tokens, 2 * self.intermediate, self.hidden));
            kernels.push(self.activation(batch.tokens));
            kernels.push(self.gemm(batch.tokens, self.hidden, self.intermediate));
        }
        kernels.push(self.norm(batch.tokens));
        kernels
    }

    /// The kernels that turn hidden states into tokens.
    pub fn sample(&self, requests: u64) -> Vec<Work> {
        vec![
            self.gemm(requests, self.vocabulary, self.hidden),
            memory_bound(
                "void at::native::(anonymous namespace)::cunn_SoftMaxForward<4, float, float, float, at::native::(anonymous namespace)::SoftMaxForwardEpilogue>(float*, float const*, int)",
                "aten::_softmax",
                "[\"float\"]",
                requests * self.vocabulary * 8,
                [requests as u32, 1, 1],
                1024,
                32,
            ),
            memory_bound(
                "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>, unsigned int, long, 4, 4> >(at::native::ReduceOp<float, at::native::ArgMaxOps<float>, unsigned int, long, 4, 4>)",
                "aten::argmax",
                "[\"float\"]",
                requests * self.vocabulary * 4,
                [requests as u32, 1, 1],
                512,
                40,
            ),
        ]
    }

    fn element_bytes(&self) -> u64 {
        match self.precision {
            Precision::Bf16 => 2,
            Precision::Fp32 => 4,
        }
    }

    fn gemm(&self, m: u64, n: u64, k: u64) -> Work {
        let bytes = self.element_bytes() * (n * k + m * k + m * n);
        let flop = 2.0 * (m * n * k) as f64;
        let (rate, name, block, registers, shared) = match (self.precision, m) {
            (Precision::Fp32, _) => (FP32_RATE, "ampere_sgemm_128x64_tn", 128, 122, 12_288),
            (_, 0..=32) => {
                (TENSOR_RATE, "nvjet_tst_64x32_64x12_1x2_h_bz_splitK_TNT", 384, 168, 200_704)
            }
            (_, 33..=256) => {
                (TENSOR_RATE, "nvjet_tst_128x128_64x6_2x1_v_bz_TNT", 384, 168, 214_016)
            }
            _ => (TENSOR_RATE, "nvjet_tst_192x192_64x4_2x1_v_bz_coopB_TNT", 384, 168, 222_208),
        };
        let tiles = [n.div_ceil(128) as u32, m.div_ceil(64) as u32, 1];
        let types = match self.precision {
            Precision::Bf16 => "[\"c10::BFloat16\", \"c10::BFloat16\"]",
            Precision::Fp32 => "[\"float\", \"float\"]",
        };
        let time = (flop / rate).max(bytes as f64 / MEMORY_RATE).max(FLOOR_NS);
        work(name, "aten::mm", types, time, tiles, block, registers, shared)
    }

    fn attention(&self, batch: Batch) -> Work {
        let bytes = 2 * self.element_bytes() * batch.context_tokens * self.kv_width;
        let flop = 4.0
            * (batch.context_tokens * self.hidden) as f64
            * if batch.has_prefill {
                (batch.tokens / batch.requests.max(1)).max(1) as f64 / 2.0
            } else {
                1.0
            };
        let time = (flop / TENSOR_RATE).max(bytes as f64 / MEMORY_RATE).max(3.0 * FLOOR_NS);
        let kernel =
            if batch.has_prefill { "flash_fwd_kernel" } else { "flash_fwd_splitkv_kernel" };
        let element = match self.precision {
            Precision::Bf16 => "cutlass::bfloat16_t",
            Precision::Fp32 => "cutlass::half_t",
        };
        let name = format!(
            "void flash::{kernel}<Flash_fwd_kernel_traits<128, 64, 128, 4, false, false, {element}, Flash_kernel_traits<128, 64, 128, 4, {element}> >, false, true, false, false, true, false>(flash::Flash_fwd_params)"
        );
        let grid = [batch.tokens.div_ceil(64).max(1) as u32, batch.requests.max(1) as u32, 32];
        work(&name, "vllm::unified_attention", "[\"c10::BFloat16\"]", time, grid, 128, 254, 81_920)
    }

    fn norm(&self, tokens: u64) -> Work {
        memory_bound(
            "void vllm::fused_add_rms_norm_kernel<c10::BFloat16, 8>(c10::BFloat16*, long, c10::BFloat16*, c10::BFloat16 const*, float, int, int)",
            "_C::fused_add_rms_norm",
            "[\"c10::BFloat16\"]",
            3 * tokens * self.hidden * 2,
            [tokens as u32, 1, 1],
            512,
            32,
        )
    }

    fn activation(&self, tokens: u64) -> Work {
        memory_bound(
            "void vllm::act_and_mul_kernel<c10::BFloat16, &(c10::BFloat16 vllm::silu_kernel<c10::BFloat16>(c10::BFloat16 const&)), true>(c10::BFloat16*, c10::BFloat16 const*, int)",
            "_C::silu_and_mul",
            "[\"c10::BFloat16\"]",
            3 * tokens * self.intermediate * 2,
            [tokens as u32, 1, 1],
            1024,
            24,
        )
    }

    fn rope(&self, tokens: u64) -> Work {
        memory_bound(
            "void vllm::rotary_embedding_kernel<c10::BFloat16, true>(long const*, c10::BFloat16*, c10::BFloat16*, c10::BFloat16 const*, int, long, long, int, int, int)",
            "_C::rotary_embedding",
            "[\"long int\", \"c10::BFloat16\"]",
            2 * tokens * self.hidden * 2,
            [tokens as u32, 1, 1],
            512,
            28,
        )
    }

    fn cache_write(&self, tokens: u64) -> Work {
        memory_bound(
            "void vllm::reshape_and_cache_flash_kernel<__nv_bfloat16, __nv_bfloat16, (vllm::Fp8KVCacheDataType)0>(__nv_bfloat16 const*, __nv_bfloat16 const*, __nv_bfloat16*, __nv_bfloat16*, long const*, int, int, int, int, int, int, float const*, float const*)",
            "_C_cache_ops::reshape_and_cache_flash",
            "[\"c10::BFloat16\"]",
            4 * tokens * self.kv_width * 2,
            [tokens as u32, 1, 1],
            512,
            26,
        )
    }

    fn embedding(&self, tokens: u64) -> Work {
        memory_bound(
            "void at::native::(anonymous namespace)::indexSelectLargeIndex<c10::BFloat16, long, unsigned int, 2, 2, -2, true>(at::cuda::detail::TensorInfo<c10::BFloat16, unsigned int>, at::cuda::detail::TensorInfo<c10::BFloat16 const, unsigned int>, at::cuda::detail::TensorInfo<long const, unsigned int>, int, int, unsigned int, unsigned int, long)",
            "aten::embedding",
            "[\"c10::BFloat16\", \"long int\"]",
            2 * tokens * self.hidden * 2,
            [132, 8, 1],
            128,
            30,
        )
    }
}

#[expect(clippy::too_many_arguments, reason = "one literal row per kernel reads best flat")]
fn work(
    name: &str,
    op: &'static str,
    input_types: &'static str,
    duration_ns: f64,
    grid: [u32; 3],
    block: u32,
    registers: u32,
    shared_bytes: u32,
) -> Work {
    let launch = Launch {
        name: name.to_owned().into(),
        grid,
        block: [block, 1, 1],
        registers,
        shared_bytes,
    };
    Work { launch, duration_ns, op, input_types }
}

fn memory_bound(
    name: &str,
    op: &'static str,
    input_types: &'static str,
    bytes: u64,
    grid: [u32; 3],
    block: u32,
    registers: u32,
) -> Work {
    let time = (bytes as f64 / MEMORY_RATE).max(FLOOR_NS);
    work(name, op, input_types, time, grid, block, registers, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fp32_runs_elsewhere_and_longer() {
        let model = Model {
            layers: 2,
            hidden: 1024,
            intermediate: 4096,
            kv_width: 256,
            vocabulary: 32_000,
            precision: Precision::Bf16,
        };
        let batch = Batch { tokens: 512, context_tokens: 4096, has_prefill: true, requests: 1 };
        let total = |m: &Model| m.forward(batch).iter().map(|w| w.duration_ns).sum::<f64>();
        let slow = Model { precision: Precision::Fp32, ..model };
        assert!(total(&slow) > 3.0 * total(&model));
        assert!(slow.forward(batch).iter().any(|w| w.launch.name.contains("sgemm")));
        assert_eq!(model.forward(batch).len(), 2 + 2 * 10);
    }
}

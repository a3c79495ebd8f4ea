//! Kernels as the libraries name them, with times from the device's roofline.
//!
//! Names are those of real traces of vLLM, PyTorch and TensorRT; tiles, registers and shared
//! memory are of the size these kernels have there.

use crate::device::{Gpu, Number};
use crate::rank::{Part, Work};
use crate::recording::Launch;

/// Share of the peak that well-tuned kernels reach.
const COMPUTE_EFFICIENCY: f64 = 0.72;
const SIMT_EFFICIENCY: f64 = 0.80;
const MEMORY_EFFICIENCY: f64 = 0.86;

/// Which libraries a server's kernels come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// vLLM's own kernels, FlashAttention and cuBLAS.
    Vllm,
    /// ATen and cuBLAS.
    Torch,
    /// TensorRT engines.
    TensorRt,
}

/// Builds kernels for one device and library.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    pub(crate) gpu: Gpu,
    pub(crate) library: Library,
}

/// Launch shape of a kernel: grid, block, registers per thread, shared bytes per block.
type Shape = ([u32; 3], u32, u32, u32);

impl Kernels {
    /// `m × k` times `k × n`, on operands of type `number`.
    pub(crate) fn gemm(&self, number: Number, m: u64, n: u64, k: u64) -> Work {
        let (tile_m, tile_n) = tile(number, m);
        let (tiles_m, tiles_n) = (m.div_ceil(tile_m), n.div_ceil(tile_n));
        let tiles = (tiles_m * tiles_n) as f64;
        let waves = tiles / f64::from(self.gpu.sms);
        // The last wave is seldom full; split-k and stream-k schedules hide most of that.
        let hidden = if m <= 64 { 1.0 } else { 0.7 };
        let quantized = waves + (1.0 - hidden) * (waves.ceil() - waves);
        let flop_per_tile = 2.0 * (tile_m * tile_n * k) as f64;
        let flop = quantized * f64::from(self.gpu.sms) * flop_per_tile;
        let efficiency = if number == Number::Fp32 { SIMT_EFFICIENCY } else { COMPUTE_EFFICIENCY };
        // A single-row tile does not keep tensor cores busy, but then memory bounds it anyway.
        let compute_ns = flop / (self.gpu.rate(number) * efficiency);
        let bytes = number.bytes() * (n * k + m * k + m * n) as f64;
        let (name, block, registers, shared) = self.gemm_name(number, m);
        let grid = if self.gpu.is_hopper() && number != Number::Fp32 {
            [(tiles as u32).clamp(1, self.gpu.sms), 1, 1]
        } else {
            [tiles_n as u32, tiles_m as u32, 1]
        };
        let op = if self.library == Library::Torch { "aten::addmm" } else { "aten::mm" };
        let shape = (grid, block, registers, shared);
        self.work(name, op, shape, compute_ns, self.memory_ns(bytes), Part::Tokens)
    }

    /// Time of attention without noise, ns.
    pub(crate) fn attention_ns(&self, heads: Heads, members: &[(u64, u64)]) -> f64 {
        let (compute_ns, memory_ns) = self.attention_bounds(heads, members);
        crate::rank::bound_ns(compute_ns, memory_ns)
    }

    fn attention_bounds(&self, heads: Heads, members: &[(u64, u64)]) -> (f64, f64) {
        let mut flop = 0.0;
        let mut bytes = 0.0;
        for &(query, context) in members {
            // A causal query sees half of its own tokens and all of those before.
            let seen = context as f64 - query as f64 / 2.0;
            flop += 4.0 * query as f64 * seen.max(1.0) * (heads.query * heads.width) as f64;
            let rows = context * heads.key_value + query * heads.query;
            bytes += 4.0 * (rows * heads.width) as f64;
        }
        (flop / (self.gpu.half_rate * 0.45), self.memory_ns(bytes))
    }

    /// Attention of members given as (query tokens, context tokens).
    pub(crate) fn attention(&self, heads: Heads, members: &[(u64, u64)]) -> Work {
        let (compute_ns, memory_ns) = self.attention_bounds(heads, members);
        let queries: u64 = members.iter().map(|m| m.0).sum();
        let longest = members.iter().map(|m| m.0).max().unwrap_or(1);
        let batch = members.len().max(1) as u32;
        let query_heads = heads.query as u32;
        let (name, op, shape) = match self.library {
            Library::Vllm if self.gpu.is_hopper() => (
                FLASH_3,
                "vllm::unified_attention_with_output",
                ([self.gpu.sms, 1, 1], 384, 168, 213_008),
            ),
            Library::Vllm if longest > 1 => (
                FLASH_2_PREFILL,
                "vllm::unified_attention_with_output",
                ([longest.div_ceil(128) as u32, batch, query_heads], 128, 255, 81_920),
            ),
            Library::Vllm => (
                FLASH_2_DECODE,
                "vllm::unified_attention_with_output",
                ([1, batch, heads.key_value as u32], 128, 224, 81_920),
            ),
            Library::Torch => (
                TORCH_FLASH,
                "aten::scaled_dot_product_attention",
                ([queries.div_ceil(64) as u32, 1, query_heads], 128, 255, 49_152),
            ),
            Library::TensorRt => (
                TENSORRT_ATTENTION,
                "",
                ([longest.div_ceil(64) as u32, batch, query_heads], 128, 255, 49_152),
            ),
        };
        self.work(name, op, shape, compute_ns, memory_ns, Part::Attention)
    }

    /// A kernel that streams `bytes` over `rows` rows.
    pub(crate) fn stream(&self, kind: Streaming, rows: u64, bytes: f64) -> Work {
        let (name, op, block, registers, shared) = kind.describe(self.library);
        let grid = match kind {
            Streaming::Index => [1, 1, 1],
            Streaming::Activation if self.library != Library::Vllm => {
                [(bytes / 1_024.0).ceil() as u32, 1, 1]
            }
            Streaming::Dequantize | Streaming::Cast | Streaming::Reformat => {
                [(bytes / 4_096.0).ceil() as u32, 1, 1]
            }
            _ => [rows.max(1) as u32, 1, 1],
        };
        let part = match kind {
            Streaming::Softmax | Streaming::ArgMax | Streaming::Gather => Part::Sampling,
            _ => Part::Tokens,
        };
        let shape = (grid, block, registers, shared);
        self.work(name, op, shape, 0.0, self.memory_ns(bytes), part)
    }

    /// A sum over all ranks of `bytes` per rank, over NVLink.
    pub(crate) fn all_reduce(&self, bytes: f64, ranks: u32) -> Work {
        let link = if self.gpu.is_hopper() { 380.0 } else { 210.0 };
        let steps = 2.0 * f64::from(ranks - 1) / f64::from(ranks);
        let name = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)";
        let shape = ([8, 1, 1], 512, 96, 82_240);
        let time_ns = 9_000.0 + steps * bytes / link;
        let work = self.work(name, "c10d::allreduce_", shape, 0.0, time_ns, Part::Tokens);
        Work { is_collective: true, ..work }
    }

    fn memory_ns(&self, bytes: f64) -> f64 {
        bytes / (self.gpu.memory_rate * MEMORY_EFFICIENCY)
    }

    fn work(
        &self,
        name: &'static str,
        op: &'static str,
        (grid, block, registers, shared_bytes): Shape,
        compute_ns: f64,
        memory_ns: f64,
        part: Part,
    ) -> Work {
        let name = name.into();
        let launch = Launch { name, grid, block: [block, 1, 1], registers, shared_bytes };
        Work { launch, op, compute_ns, memory_ns, is_collective: false, part }
    }

    fn gemm_name(&self, number: Number, m: u64) -> (&'static str, u32, u32, u32) {
        let hopper = self.gpu.is_hopper();
        let is_trt = self.library == Library::TensorRt;
        let (name, block, registers, shared) = match number {
            Number::Fp32 if is_trt => (
                "sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize64x64x8_stage3_warpsize1x4x1_ffma_aligna4_alignc4_kernel",
                128,
                128,
                12_288,
            ),
            Number::Fp32 if m <= 64 => ("ampere_sgemm_32x128_tn", 256, 57, 16_384),
            Number::Fp32 => ("ampere_sgemm_128x64_tn", 128, 122, 12_288),
            Number::Tf32 => (
                "sm80_xmma_gemm_f32f32_tf32f32_f32_tn_n_tilesize128x64x16_stage4_warpsize2x2x1_tensor16x8x8_kernel",
                128,
                190,
                73_728,
            ),
            Number::Int8 => (
                "sm80_xmma_gemm_i8i8_i8i32_f32_tn_n_tilesize128x128x64_stage3_warpsize2x2x1_tensor16x8x32_kernel",
                128,
                210,
                49_152,
            ),
            Number::Bf16 if hopper && m <= 64 => {
                ("nvjet_tst_64x8_64x16_4x1_v_bz_TNT", 384, 168, 205_824)
            }
            Number::Bf16 if hopper && m <= 512 => (
                "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_execute_segment_k_off_kernel__5x_cublas",
                384,
                168,
                231_424,
            ),
            Number::Bf16 if hopper => {
                ("nvjet_tst_192x192_64x4_2x1_v_bz_coopB_TNT", 384, 168, 222_208)
            }
            Number::Bf16 if m <= 64 => {
                ("ampere_bf16_s16816gemm_bf16_64x64_ldg8_f2f_stages_64x6_tn", 128, 128, 98_304)
            }
            Number::Bf16 => {
                ("ampere_bf16_s16816gemm_bf16_128x128_ldg8_f2f_stages_64x4_tn", 256, 154, 131_072)
            }
            Number::Fp16 if is_trt => (
                "sm80_xmma_gemm_f16f16_f16f16_f16_tn_n_tilesize128x128x32_stage4_warpsize2x2x1_tensor16x8x16_kernel",
                128,
                202,
                65_536,
            ),
            Number::Fp16 if hopper => ("nvjet_hsh_128x128_64x6_2x1_v_bz_TNT", 384, 168, 214_016),
            Number::Fp16 => {
                ("ampere_fp16_s16816gemm_fp16_128x128_ldg8_f2f_stages_64x4_tn", 256, 154, 131_072)
            }
        };
        (name, block, registers, shared)
    }
}

/// Attention heads and their width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) query: u64,
    pub(crate) key_value: u64,
    pub(crate) width: u64,
}

/// Kernels that memory bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streaming {
    Norm,
    Activation,
    Rope,
    CacheWrite,
    Index,
    Gather,
    Softmax,
    ArgMax,
    Dequantize,
    Cast,
    Reformat,
}

impl Streaming {
    /// Name, operator, block, registers, shared bytes.
    fn describe(self, library: Library) -> (&'static str, &'static str, u32, u32, u32) {
        match (self, library) {
            (Self::Norm, Library::Vllm) => (VLLM_NORM, "_C::fused_add_rms_norm", 256, 32, 0),
            (Self::Norm, Library::Torch) => (TORCH_NORM, "aten::layer_norm", 128, 34, 24),
            (Self::Norm, Library::TensorRt) => {
                ("__myl_MeanSubMulMeanAddSqrtDivMulMulAdd_myl0_5", "", 128, 34, 24)
            }
            (Self::Activation, Library::Vllm) => (VLLM_SILU, "_C::silu_and_mul", 1024, 32, 0),
            (Self::Activation, Library::Torch) => (TORCH_GELU, "aten::gelu", 128, 30, 0),
            (Self::Activation, Library::TensorRt) => ("__myl_MulErfAddMul_myl0_9", "", 128, 30, 0),
            (Self::Rope, _) => (VLLM_ROPE, "_C::rotary_embedding", 256, 32, 0),
            (Self::CacheWrite, _) => {
                (VLLM_CACHE_WRITE, "_C_cache_ops::reshape_and_cache_flash", 512, 32, 0)
            }
            (Self::Index, _) => (TORCH_INDEX, "aten::index", 128, 42, 0),
            (Self::Gather, _) => (TORCH_GATHER, "aten::index_select", 128, 32, 0),
            (Self::Softmax, _) => (TORCH_SOFTMAX, "aten::softmax", 1024, 32, 128),
            (Self::ArgMax, _) => (TORCH_ARGMAX, "aten::argmax", 512, 32, 4_112),
            (Self::Dequantize, Library::Torch) => {
                (BITSANDBYTES_DEQUANTIZE, "bitsandbytes::dequantize_4bit", 256, 28, 0)
            }
            (Self::Dequantize, _) => (AWQ_DEQUANTIZE, "_C::awq_dequantize", 256, 40, 0),
            (Self::Cast, _) => (TORCH_CAST, "aten::_to_copy", 128, 24, 0),
            (Self::Reformat, _) => (
                "void genericReformat::copyVectorizedKernel<double, __half, __half, true, false, 1>(unsigned int, unsigned int, void const*, genericReformat::ArrayN<int, 2>, genericReformat::ArrayNWithReducedDivisors<2>, genericReformat::ArrayN<int, 2>, int, int, int, float const*, void*, genericReformat::ArrayN<int, 2>, genericReformat::ArrayNWithReducedDivisors<2>, genericReformat::ArrayN<int, 2>, int, int, int, float const*, int4, int4, int)",
                "",
                128,
                40,
                0,
            ),
        }
    }
}

fn tile(number: Number, m: u64) -> (u64, u64) {
    match (number, m) {
        (Number::Fp32, 0..=32) => (32, 128),
        (Number::Fp32, _) => (64, 128),
        (_, 0..=16) => (16, 64),
        (_, 17..=64) => (64, 64),
        _ => (128, 128),
    }
}

const FLASH_3: &str = "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<flash::CollectiveMainloopFwdSm90<2, cute::tuple<cute::C<1>, cute::C<1>, cute::C<1> >, cute::tuple<cute::C<128>, cute::C<176>, cute::C<128> >, 128, cutlass::bfloat16_t, float, cutlass::arch::Sm90, true, false, false, true, true, false, false, false, true, true, false, true>, flash::CollectiveEpilogueFwd<cute::tuple<cute::C<128>, cute::C<128>, cute::C<176> >, cute::tuple<cute::C<1>, cute::C<1>, cute::C<1> >, cutlass::bfloat16_t, cutlass::arch::Sm90, 256, true, true, true, false>, flash::VarlenDynamicPersistentTileScheduler<128, 256, 128, true, true, true> > > >(flash::FlashAttnFwdSm90::Params)";
const FLASH_2_PREFILL: &str = "void flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<128, 64, 128, 4, false, false, cutlass::bfloat16_t, Flash_kernel_traits<128, 64, 128, 4, cutlass::bfloat16_t> >, true, false, false, false, true, false, false, false>(flash::Flash_fwd_params)";
const FLASH_2_DECODE: &str = "void flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<128, 64, 128, 4, false, false, cutlass::bfloat16_t, Flash_kernel_traits<128, 64, 128, 4, cutlass::bfloat16_t> >, false, false, false, false, true, true, true, false>(flash::Flash_fwd_params)";
const TORCH_FLASH: &str = "void pytorch_flash::flash_fwd_kernel<pytorch_flash::Flash_fwd_kernel_traits<64, 128, 128, 4, false, false, cutlass::half_t, pytorch_flash::Flash_kernel_traits<64, 128, 128, 4, cutlass::half_t> >, false, false, false, false, false, true, false>(pytorch_flash::Flash_fwd_params)";
const TENSORRT_ATTENTION: &str = "_gemm_mha_v2_0x6c8a2dc5a8a5b9ed4a";
const VLLM_NORM: &str = "std::enable_if<(((8)>(0)))&&vllm::_typeConvert<c10::BFloat16>::exists, void>::type vllm::fused_add_rms_norm_kernel<c10::BFloat16, 8>(c10::BFloat16*, long, c10::BFloat16*, c10::BFloat16 const*, float, int, int)";
const TORCH_NORM: &str = "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::Half, float>(int, float, c10::Half const*, c10::Half const*, c10::Half const*, float*, float*, c10::Half*)";
const VLLM_SILU: &str = "void vllm::act_and_mul_kernel<c10::BFloat16, &(c10::BFloat16 vllm::silu_kernel<c10::BFloat16>(c10::BFloat16 const&)), true>(c10::BFloat16*, c10::BFloat16 const*, int)";
const TORCH_GELU: &str = "void at::native::vectorized_elementwise_kernel<4, at::native::GeluCUDAKernelImpl(at::TensorIteratorBase&, at::native::GeluType)::{lambda()#2}::operator()() const::{lambda()#4}::operator()() const::{lambda(c10::Half)#1}, std::array<char*, 2ul> >(int, at::native::GeluCUDAKernelImpl(at::TensorIteratorBase&, at::native::GeluType)::{lambda()#2}::operator()() const::{lambda()#4}::operator()() const::{lambda(c10::Half)#1}, std::array<char*, 2ul>)";
const VLLM_ROPE: &str = "void vllm::rotary_embedding_kernel<c10::BFloat16, true>(long const*, c10::BFloat16*, c10::BFloat16*, c10::BFloat16 const*, int, long, long, long, int, int, int)";
const VLLM_CACHE_WRITE: &str = "void vllm::reshape_and_cache_flash_kernel<__nv_bfloat16, __nv_bfloat16, (vllm::Fp8KVCacheDataType)0>(__nv_bfloat16 const*, __nv_bfloat16 const*, __nv_bfloat16*, __nv_bfloat16*, long const*, long, long, long, long, long, int, int, int, float const*, float const*)";
const TORCH_INDEX: &str = "void at::native::index_elementwise_kernel<128, 4, at::native::gpu_index_kernel<at::native::index_kernel_impl<at::native::OpaqueType<4> >(at::TensorIteratorBase&, c10::ArrayRef<long>, c10::ArrayRef<long>)::{lambda(char*, char const*, long)#1}>(at::TensorIteratorBase&, c10::ArrayRef<long>, c10::ArrayRef<long>, at::native::index_kernel_impl<at::native::OpaqueType<4> >(at::TensorIteratorBase&, c10::ArrayRef<long>, c10::ArrayRef<long>)::{lambda(char*, char const*, long)#1})::{lambda(int)#1}>(long, at::native::gpu_index_kernel<at::native::index_kernel_impl<at::native::OpaqueType<4> >(at::TensorIteratorBase&, c10::ArrayRef<long>, c10::ArrayRef<long>)::{lambda(char*, char const*, long)#1}>(at::TensorIteratorBase&, c10::ArrayRef<long>, c10::ArrayRef<long>, at::native::index_kernel_impl<at::native::OpaqueType<4> >(at::TensorIteratorBase&, c10::ArrayRef<long>, c10::ArrayRef<long>)::{lambda(char*, char const*, long)#1})::{lambda(int)#1})";
const TORCH_GATHER: &str = "void at::native::(anonymous namespace)::indexSelectSmallIndex<c10::BFloat16, long, unsigned int, 2, 2, -2>(at::cuda::detail::TensorInfo<c10::BFloat16, unsigned int>, at::cuda::detail::TensorInfo<c10::BFloat16 const, unsigned int>, at::cuda::detail::TensorInfo<long const, unsigned int>, int, int, unsigned int, long)";
const TORCH_SOFTMAX: &str = "void at::native::(anonymous namespace)::cunn_SoftMaxForward<4, float, float, float, at::native::(anonymous namespace)::SoftMaxForwardEpilogue>(float*, float const*, int)";
const TORCH_ARGMAX: &str = "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>, unsigned int, long, 4> >(at::native::ReduceOp<float, at::native::ArgMaxOps<float>, unsigned int, long, 4>)";
const AWQ_DEQUANTIZE: &str = "vllm::awq::dequantize_weights(int*, __half*, int*, __half*, int)";
const BITSANDBYTES_DEQUANTIZE: &str = "void kDequantizeBlockwise<__nv_bfloat16, 512, 64, 8, 2>(float*, unsigned char*, float*, __nv_bfloat16*, int, int)";
const TORCH_CAST: &str = "void at::native::unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}::operator()() const::{lambda()#7}::operator()() const::{lambda(float)#1}, std::array<char*, 2ul>, 4, TrivialOffsetCalculator<1, unsigned int>, TrivialOffsetCalculator<1, unsigned int>, at::native::memory::LoadWithCast<1>, at::native::memory::StoreWithCast<1> >(int, at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}::operator()() const::{lambda()#7}::operator()() const::{lambda(float)#1}, std::array<char*, 2ul>, TrivialOffsetCalculator<1, unsigned int>, TrivialOffsetCalculator<1, unsigned int>, at::native::memory::LoadWithCast<1>, at::native::memory::StoreWithCast<1>)";

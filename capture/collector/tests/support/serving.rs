//! A stream of kernels as a serving process makes them: 36 layers of nine kernels, again and
//! again, with lengths that vary and gaps between.
#![allow(dead_code, unreachable_pub, reason = "each program uses a part")]

use std::ffi::CStr;

use cupti_sys::record::kernel;
use cupti_sys::{ActivityKind, Toolkit, record_of};
use fake_cupti::{CannedRecord, Profile};
use underspan_cupti::{Layouts, Strides};

const KERNEL: ActivityKind = ActivityKind::CONCURRENT_KERNEL;
const N_LAYERS: u64 = 36;

/// Name, blocks and typical length of each kernel of a layer.
pub const LAYER: [(&CStr, u64, u64); 9] = [
    (c"void rms_norm_kernel<__nv_bfloat16, 8>(__nv_bfloat16*)", 64, 2_400),
    (c"nvjet_tst_128x64_64x8_1x2_h_bz_TNN", 132, 11_800),
    (c"void rotary_embedding_kernel<__nv_bfloat16, true>(long const*)", 64, 1_900),
    (c"void reshape_and_cache_flash_kernel<__nv_bfloat16>(__nv_bfloat16 const*)", 64, 1_700),
    (c"void flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<128, 64, 128>>()", 528, 14_200),
    (c"nvjet_tst_64x64_64x13_1x4_h_bz_TNT", 132, 8_300),
    (c"void fused_add_rms_norm_kernel<__nv_bfloat16, 8>(__nv_bfloat16*)", 64, 2_600),
    (c"nvjet_tst_192x64_64x6_2x1_v_bz_TNN", 264, 31_500),
    (c"void act_and_mul_kernel<__nv_bfloat16, silu>(__nv_bfloat16*)", 64, 2_200),
];

/// How records of a release lie in a buffer.
pub fn layouts(toolkit: Toolkit) -> Layouts {
    let profile = Profile::of(toolkit).expect("a compared release");
    let pairs = (0..64).map(ActivityKind).filter_map(|kind| {
        record_of(kind)?;
        Some((kind, profile.stride(kind)?))
    });
    Layouts::predefined(&Strides::from_pairs(pairs))
}

/// One buffer of `n` kernels in that layout.
pub fn buffer(layouts: &Layouts, n: u64) -> Vec<u8> {
    let stride = usize::from(layouts.stride(KERNEL).expect("kernels"));
    let mut bytes = Vec::with_capacity(n as usize * stride);
    let names = LAYER.map(|(name, ..)| name.as_ptr() as u64);
    for record in records(names).take(n as usize) {
        bytes.extend_from_slice(&record.bytes()[..stride]);
    }
    bytes
}

/// The kernels one after the other, with names at these addresses.
pub fn records(names: [u64; LAYER.len()]) -> impl Iterator<Item = CannedRecord> {
    let (mut now, mut random) = (1_700_000_000_000_000_000_u64, 7_u64);
    let mut jitter = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (random >> 33) % below
    };
    (0_u64..).map(move |number| {
        let at = number as usize % LAYER.len();
        let (_, blocks, typical) = LAYER[at];
        let step = number / (LAYER.len() as u64 * N_LAYERS);
        let length = typical + 32 * jitter(typical / 512 + 2);
        let record = CannedRecord::new(KERNEL)
            .with(&kernel::START, now)
            .with(&kernel::END, now + length)
            .with(&kernel::NAME, names[at])
            .with(&kernel::CONTEXT_ID, 1)
            .with(&kernel::STREAM_ID, 7)
            .with(&kernel::CORRELATION_ID, number + 3 * step)
            .with(&kernel::GRID_X, blocks)
            .with(&kernel::GRID_Y, 1)
            .with(&kernel::GRID_Z, 1)
            .with(&kernel::BLOCK_X, 256)
            .with(&kernel::REGISTERS_PER_THREAD, 168)
            .with(&kernel::DYNAMIC_SHARED_MEMORY, 65_536);
        // Launches follow each other closely within a step.
        let is_last = (number + 1).is_multiple_of(LAYER.len() as u64 * N_LAYERS);
        now += length + 32 * (20 + jitter(12)) + u64::from(is_last) * (180_000 + jitter(90_000));
        record
    })
}

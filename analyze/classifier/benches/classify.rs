//! Nanoseconds a name over a generated mix of spellings, and the cost of a look-up.

use divan::{Bencher, counter::ItemsCount};
use underspan_classifier::{ClassCache, KernelQuery, classify};

fn main() {
    divan::main();
}

/// Distinct names in the proportions of a serving capture: coded vendor names, ATen functors, plain
/// templates, CUTLASS templates, and mangled forms of the last two.
fn names(count: usize) -> Vec<String> {
    (0..count).map(name).collect()
}

fn name(index: usize) -> String {
    let tile = 16 + index % 497;
    let dtype = ["__half", "__nv_bfloat16", "float"][index % 3];
    match index % 10 {
        0 => format!("nvjet_sm90_tst_{tile}x128_64x{index}_2x1_v_bz_coopA_TNT"),
        1 => format!(
            "sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize{tile}x128x32_stage{index}_warpsize2x2x1_tensor16x8x16_execute_kernel_cublas"
        ),
        2 => format!(
            "void vllm::rms_norm_kernel<{dtype}, {tile}, {index}>({dtype}*, {dtype} const*, long, float, int, int)"
        ),
        3 => format!("triton_red_fused_add_mean_mul_pow_rsqrt_{index}"),
        4 => format!(
            "void at::native::vectorized_elementwise_kernel<{index}, at::native::tanh_kernel_cuda(at::TensorIteratorBase&)::{{lambda()#2}}::operator()() const::{{lambda()#4}}::operator()() const::{{lambda(float)#1}}, std::array<char*, 2ul> >(int, at::native::tanh_kernel_cuda(at::TensorIteratorBase&)::{{lambda()#2}}::operator()() const::{{lambda()#4}}::operator()() const::{{lambda(float)#1}}, std::array<char*, 2ul>)"
        ),
        5 => format!(
            "void flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<{tile}, 64, {index}, 4, false, false, cutlass::bfloat16_t, Flash_kernel_traits<{tile}, 64, 128, 4, cutlass::bfloat16_t> >, false, true, false>(flash::Flash_fwd_params)"
        ),
        6 => cutlass(index),
        7 => {
            let literal = format!("Li{index}E");
            format!(
                "_ZN4vllm25fused_add_rms_norm_kernelIN3c108BFloat16E{literal}Lb0EEEvPT_lS3_PKS2_fiil"
            )
        }
        8 => format!(
            "_ZN5flash24flash_fwd_splitkv_kernelI23Flash_fwd_kernel_traitsILi64ELi64ELi{index}ELi4ELb0ELb0EN7cutlass10bfloat16_tE19Flash_kernel_traitsILi64ELi64ELi256ELi4ES2_EELb0ELb0ELb0ELb0ELb1ELb0ELb0ELb0EEEvNS_16Flash_fwd_paramsE"
        ),
        _ => format!("ampere_bf16_s16816gemm_bf16_{tile}x64_ldg8_f2f_stages_64x{index}_tn"),
    }
}

fn cutlass(index: usize) -> String {
    let tuple = "cute::tuple<cute::C<1>, cute::C<2>, cute::C<1> >";
    let layouts = format!("{tuple}, ").repeat(24);
    format!(
        "void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<cute::tuple<int, int, int, int>, cutlass::gemm::collective::CollectiveMma<cutlass::gemm::MainloopSm90TmaGmmaWarpSpecialized<{index}, {layouts}cutlass::gemm::KernelTmaWarpSpecialized>, {tuple}, cutlass::half_t, {tuple}, cutlass::half_t, {tuple}, cute::TiledMMA<cute::MMA_Atom<cute::SM90::GMMA::MMA_64x128x16_F32F16F16_SS<(cute::SM90::GMMA::Major)0> > > >, void> >(cutlass::gemm::kernel::GemmUniversal<>::Params)"
    )
}

#[divan::bench]
fn distinct_names(bencher: Bencher<'_, '_>) {
    let names = names(1_000);
    bencher.counter(ItemsCount::new(names.len())).bench(|| {
        names.iter().map(|name| classify(&KernelQuery::named(name)).variants.len()).sum::<usize>()
    });
}

#[divan::bench(sample_count = 3)]
fn a_hundred_thousand_distinct_names_into_the_cache(bencher: Bencher<'_, '_>) {
    let names = names(100_000);
    bencher.counter(ItemsCount::new(names.len())).bench(|| {
        let mut cache = ClassCache::new();
        for (id, name) in names.iter().enumerate() {
            cache.classify(id as u32, &KernelQuery::named(name));
        }
        cache.len()
    });
}

#[divan::bench]
fn lookups(bencher: Bencher<'_, '_>) {
    let names = names(10_000);
    let mut cache = ClassCache::new();
    for (id, name) in names.iter().enumerate() {
        cache.classify(id as u32, &KernelQuery::named(name));
    }
    bencher.counter(ItemsCount::new(1_000_000usize)).bench(|| {
        (0..1_000_000u32)
            .filter_map(|kernel| cache.get(kernel.wrapping_mul(2_654_435_761) % 10_000))
            .filter(|class| class.role.value.is_matmul())
            .count()
    });
}

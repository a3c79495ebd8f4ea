//! CUTLASS kernels whose configuration is spelt out in template arguments.
//!
//! CUTLASS 2: `cutlass::Kernel[2]<gemm::kernel::Gemm<threadblock::MmaMultistage<…>>>`; CUTLASS 3:
//! `cutlass::device_kernel<gemm::kernel::GemmUniversal<…, CollectiveMma<MainloopSm90…, TileShape,
//! A, …, TiledMMA<MMA_Atom<…>>>>>`. The matrix instruction in there decides type and unit
//! ([`super::mma`]). `GroupProblemShape`, `PtrArray`, `ArrayTma` and `MoeFCGemm` are grouped (MoE).
//! A wrapper such as `vllm::cutlass_3x_gemm_sm90_fp8<float_e4m3_t, …>::GemmKernel` hides the
//! mainloop; a `KernelTmaWarpSpecialized` schedule still means tensor cores.

use super::mma::{self, Unit};
use crate::class::{Confidence, KernelClass, TensorCore, VariantKind};
use crate::dtype::Dtype;
use crate::name::{Name, Span};
use crate::query::KernelQuery;
use crate::role::Role;

pub(crate) fn parse(name: &Name<'_>, query: &KernelQuery<'_>) -> Option<KernelClass> {
    let function = name.function();
    let is_wrapper = matches!(
        function,
        "Kernel"
            | "Kernel2"
            | "device_kernel"
            | "KernelUniversal"
            | "GemmKernel"
            | "enable_sm90_or_later"
            | "GemmUniversal"
            | "run_global"
            | "cutlass_kernel"
            | "kernel_wrapper"
    );
    let is_cutlass = name.namespaces().any(|space| space.starts_with("cutlass"));
    let names_gemm = name
        .find_word(name.template(), |word| {
            word.starts_with("CollectiveMma") || word == "GemmUniversal"
        })
        .is_some();
    if !(is_wrapper && is_cutlass || names_gemm) {
        return None;
    }
    let span = name.template();
    let has = |word: &str| name.has_word(span, word);
    let starts = |prefix: &str| name.find_word(span, |word| word.starts_with(prefix)).is_some();
    let contains = |part: &str| name.find_word(span, |word| word.contains(part)).is_some();

    if contains("SparseCompressor") {
        return Some(KernelClass::new(
            "cutlass3",
            "sparse_compress",
            Role::WeightPrep,
            "CUTLASS structured-sparse compressor",
        ));
    }
    let library =
        if function == "device_kernel" || starts("Collective") { "cutlass3" } else { "cutlass2" };
    if has("ReduceSplitK") {
        let dtype = name.first_real(span).unwrap_or(Dtype::Unknown);
        return Some(
            KernelClass::new(library, "splitk_reduce", Role::Gemm, "CUTLASS split-K reduction")
                .computes(dtype, "first type of the reduction")
                .on_tensor_cores(
                    TensorCore::No,
                    Confidence::High,
                    "a reduction multiplies nothing",
                ),
        );
    }
    let is_grouped = has("GroupProblemShape")
        || has("GemmGrouped")
        || has("MoeFCGemm")
        || has("MoEProblemShape")
        || contains("PtrArray")
        || contains("ArrayTma")
        || contains("ArrayMixedInput")
        || contains("GroupGemm")
        || contains("GroupedGemm")
        || contains("MoeGemm");
    let (operation, role) =
        if starts("ImplicitGemm") || starts("Conv2d") || starts("Conv3d") || has("ConvUniversal") {
            (conv_operation(&contains), Role::Conv)
        } else if is_grouped {
            ("grouped_gemm", Role::Gemm)
        } else if names_gemm || contains("Gemm") || contains("gemm") || contains("Mma") {
            (if contains("GemmSplitK") { "gemm_splitk" } else { "gemm" }, Role::Gemm)
        } else {
            return None;
        };
    let class = KernelClass::new(library, operation, role, "CUTLASS template walk");
    let class = match mma::find(name, span) {
        Some(Unit::CudaCores(dtype)) => class
            .computes(dtype, "CUTLASS SIMT operand type")
            .on_tensor_cores(TensorCore::No, Confidence::High, "MmaSimt runs on CUDA cores"),
        Some(Unit::Tensor(dtype, word)) => {
            class.computes(dtype, format!("operand types of \"{word}\"")).on_tensor_cores(
                TensorCore::Yes,
                Confidence::High,
                format!("matrix instruction \"{word}\""),
            )
        }
        None => hidden_mainloop(name, class),
    };
    let class = sm89_fp8(class, architecture(name, span), query);
    let class = match storage(name, span) {
        Some(storage) => class.stores(storage, "first operand type of the mainloop"),
        None => class,
    };
    Some(match architecture(name, span) {
        Some(arch) => class.with(VariantKind::Arch, arch),
        None => class,
    })
}

fn conv_operation(contains: &dyn Fn(&str) -> bool) -> &'static str {
    if contains("Dgrad") || contains("kDgrad") {
        "conv_dgrad"
    } else if contains("Wgrad") {
        "conv_wgrad"
    } else {
        "conv_fprop"
    }
}

/// No instruction in sight: the schedule and the first element type are what is left.
fn hidden_mainloop(name: &Name<'_>, class: KernelClass) -> KernelClass {
    let span = name.template();
    let dtype = mma::element(name, span);
    let schedule = name.find_word(span, |word| {
        word.starts_with("KernelTma")
            || word.starts_with("KernelPtrArray")
            || word.starts_with("KernelMixed")
            || word.starts_with("KernelCpAsync")
            || word.starts_with("MainloopSm")
            || word.starts_with("KernelScheduleSm")
    });
    let arch = architecture(name, span);
    let class = match dtype {
        Some(dtype) => class
            .computes(dtype, "first element type of the template")
            .dtype_confidence(Confidence::Medium),
        None => class.computes(Dtype::Unknown, "mainloop hidden behind a wrapper"),
    };
    match (schedule, arch, dtype) {
        (Some(schedule), ..) => {
            let why = format!("schedule \"{schedule}\"");
            class.on_tensor_cores(TensorCore::Yes, Confidence::Medium, why)
        }
        (None, Some("Sm50" | "Sm60" | "Sm61"), _) => class.on_tensor_cores(
            TensorCore::No,
            Confidence::Medium,
            "architecture without tensor cores",
        ),
        (None, _, Some(dtype)) if dtype.is_narrow_real() => class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::Low,
            "CUTLASS narrow operands, instruction not in the name",
        ),
        _ => class,
    }
}

/// fp8 `mma.sync` is an sm_89 instruction; later generations convert its operands and multiply in
/// fp16 (SASS of torch's Sm89 scaled-mm for sm_90a: HMMA.16816.F32, no QMMA).
fn sm89_fp8(class: KernelClass, arch: Option<&str>, query: &KernelQuery<'_>) -> KernelClass {
    let newer = query.compute_capability.is_some_and(|found| (9..12).contains(&found.major));
    let is_fp8 =
        class.compute_dtype.value.bits() == Some(8) && class.compute_dtype.value.is_narrow_real();
    if arch != Some("Sm89") || !is_fp8 {
        return class;
    }
    if newer {
        return class
            .computes(Dtype::Fp16, "sm_89 fp8 instruction, converted to fp16 on this device");
    }
    class.dtype_confidence(Confidence::Medium)
}

fn storage(name: &Name<'_>, span: Span) -> Option<Dtype> {
    let list = ["CollectiveMma", "DqMmaMultistage", "MmaMultistage", "MmaPipelined"]
        .into_iter()
        .find_map(|class| name.list_of(span, class))?;
    name.first_real(list)
}

fn architecture<'n>(name: &'n Name<'_>, span: Span) -> Option<&'n str> {
    name.find_word(span, |word| {
        word.strip_prefix("Sm").is_some_and(|rest| {
            (2..=3).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::grammar::tests::line;

    #[test]
    fn cutlass_3_reads_the_atom() {
        assert_eq!(
            line(
                "void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<cute::tuple<int, int, int, int>, cutlass::gemm::collective::CollectiveMma<cutlass::gemm::MainloopSm90TmaGmmaWarpSpecialized<4>, cute::tuple<cute::C<128>>, cutlass::bfloat16_t, cute::tuple<long>, cutlass::bfloat16_t, cute::tuple<long>, cute::TiledMMA<cute::MMA_Atom<cute::SM90::GMMA::MMA_64x128x16_F32BF16BF16_SS<(cute::SM90::GMMA::Major)0>>>>, void>>(T1::Params)"
            ),
            "gemm gemm bf16 yes cutlass3"
        );
        assert_eq!(
            line(
                "void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<cutlass::gemm::GroupProblemShape<cute::tuple<int, int, int>>, cutlass::gemm::collective::CollectiveMma<cutlass::gemm::MainloopSm100ArrayTmaUmmaWarpSpecialized<4>, cute::tuple<cute::tuple<cutlass::float_e2m1_t, cutlass::float_ue4m3_t>>, cute::TiledMMA<cute::MMA_Atom<cute::SM100_MMA_MXF4_SS<cutlass::float_e2m1_t, cutlass::float_e2m1_t, float, cutlass::float_ue4m3_t, 128, 128>>>>, void>>(T1::Params)"
            ),
            "grouped_gemm gemm fp4 yes cutlass3"
        );
    }

    #[test]
    fn sm100_types_stand_beside_the_atom() {
        assert_eq!(
            line(
                "void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<cute::tuple<int, int, int, int>, cutlass::gemm::collective::CollectiveMma<cutlass::gemm::MainloopSm100TmaUmmaWarpSpecialized<4>, cute::TiledMMA<cute::MMA_Atom<cute::MMA_Traits<cute::SM100_MMA_F8F6F4_SS, cutlass::float_e4m3_t, cutlass::float_e4m3_t, float, cute::C<128>, cute::C<64>>>>, void>>(T1::Params)"
            ),
            "gemm gemm fp8_e4m3 yes cutlass3"
        );
    }

    #[test]
    fn cutlass_2_reads_the_warp_policy() {
        assert_eq!(
            line(
                "void cutlass::Kernel2<cutlass::gemm::kernel::GemmUniversal<cutlass::gemm::threadblock::MmaMultistage<cutlass::gemm::GemmShape<128, 128, 16>, float, cutlass::gemm::threadblock::MmaPolicy<cutlass::gemm::warp::MmaTensorOp<cutlass::gemm::GemmShape<64, 64, 16>, float, cutlass::layout::RowMajor, float, cutlass::layout::RowMajor, float>>>>>(T1::Params)"
            ),
            "gemm gemm tf32 yes cutlass2"
        );
        assert_eq!(
            line(
                "void cutlass::Kernel2<cutlass::gemm::kernel::GemmUniversal<cutlass::gemm::threadblock::MmaPipelined<cutlass::gemm::GemmShape<128, 128, 8>, float, cutlass::gemm::threadblock::MmaPolicy<cutlass::gemm::warp::MmaSimt<cutlass::gemm::GemmShape<64, 64, 8>, float>>>>>(T1::Params)"
            ),
            "gemm gemm fp32 no cutlass2"
        );
    }

    #[test]
    fn a_wrapper_that_hides_the_mainloop() {
        assert_eq!(
            line(
                "void cutlass::device_kernel<vllm::cutlass_3x_gemm_sm90_fp8<cutlass::float_e4m3_t, cutlass::half_t, vllm::c3x::ScaledEpilogue, cutlass::gemm::KernelTmaWarpSpecializedPingpong>::GemmKernel>(T1::Params)"
            ),
            "gemm gemm fp8_e4m3 yes cutlass3"
        );
        assert_eq!(
            line(
                "void cutlass::device_kernel<vllm::cutlass_3x_gemm<signed char, cutlass::bfloat16_t, vllm::c3x::ScaledEpilogue, cutlass::gemm::KernelTmaWarpSpecializedPingpong>::GemmKernel>(T1::Params)"
            ),
            "gemm gemm int8 yes cutlass3"
        );
        assert_eq!(
            line(
                "void cutlass::Kernel2<enable_sm75_to_sm80<cutlass::gemm::kernel::DefaultGemmWithVisitor<signed char, cutlass::layout::RowMajor, (cutlass::ComplexTransform)0, 16, signed char, cutlass::layout::ColumnMajor, float, cutlass::arch::OpClassTensorOp, cutlass::arch::Sm80>::GemmKernel>>(T1::Params)"
            ),
            "gemm gemm int8 yes cutlass2"
        );
    }
}

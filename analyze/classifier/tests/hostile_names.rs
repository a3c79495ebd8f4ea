//! Names come from strangers' files: any bytes, any nesting, up to 64 KiB and beyond.

use proptest::prelude::*;
use underspan_classifier::{KernelClass, KernelQuery, TensorCore, classify};

fn read(name: &[u8]) -> KernelClass {
    classify(&KernelQuery::named(name))
}

#[test]
fn deep_nesting_costs_no_stack() {
    for (open, close) in [("<", ">"), ("(", ")"), ("[", "]"), ("{", "}"), ("f<(", ")>")] {
        let depth = 30_000 / open.len();
        let balanced = format!("void f{}{}(int)", open.repeat(depth), close.repeat(depth));
        let cut = format!("void f{}", open.repeat(depth));
        for name in [balanced, cut] {
            assert_eq!(read(name.as_bytes()).tensor_core.value, TensorCore::Unknown);
        }
    }
}

#[test]
fn nested_mangled_names_cost_no_stack() {
    let deep = format!("_Z1f{}iE", "I1XIP".repeat(6_000));
    let pointers = format!("_Z1f{}i", "P".repeat(15_000));
    let names = format!("_ZN{}E", "1a".repeat(30_000));
    for name in [deep, pointers, names] {
        read(name.as_bytes());
    }
}

#[test]
fn only_the_first_64_kib_are_read() {
    let head = "void deep_gemm::sm90_bf16_gemm_impl<0u>(";
    let long = format!("{head}{})", "float const*, ".repeat(100_000));
    assert_eq!(read(long.as_bytes()).operation.value, "gemm");
    let late = format!("{}nvjet_tst_64x8", " ".repeat(70_000));
    assert_eq!(read(late.as_bytes()).operation.value, "unknown");
}

#[test]
fn invalid_utf8_is_replaced() {
    let class = read(
        b"void \xff\xfe::flash_fwd_kernel<Flash_fwd_kernel_traits<64, cutlass::half_t>>(\xc3)",
    );
    assert_eq!(class.operation.value, "attention_fwd");
}

#[test]
fn padding_inside_the_arguments_changes_nothing() {
    let short = "void ns::rms_norm_kernel<__half, 128>(int)";
    let expected = read(short.as_bytes());
    for padding in [1_000, 10_000, 50_000] {
        let name =
            format!("void ns::rms_norm_kernel<__half, 128>({})", "a<b(c,".repeat(padding / 6));
        let class = read(name.as_bytes());
        assert_eq!(class.operation, expected.operation);
        assert_eq!(class.compute_dtype.value, expected.compute_dtype.value);
    }
}

/// Pieces of real conventions, to reach deeper than random bytes do.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("void ".to_owned()),
        Just("at::native::vectorized_elementwise_kernel<4, ".to_owned()),
        Just("cutlass::device_kernel<".to_owned()),
        Just("cutlass::gemm::collective::CollectiveMma<".to_owned()),
        Just("MMA_64x128x16_F32BF16BF16_SS<".to_owned()),
        Just("{lambda(float)#1}".to_owned()),
        Just("[lambda(long) (instance 1)]".to_owned()),
        Just("(anonymous namespace)::".to_owned()),
        Just("<unnamed>::".to_owned()),
        Just("operator()".to_owned()),
        Just("operator<<".to_owned()),
        Just("(c10::ScalarType)15".to_owned()),
        Just("c10::complex<".to_owned()),
        Just("nvjet_sm90_".to_owned()),
        Just("tst_128x64_64x4_2x1_".to_owned()),
        Just("sm80_xmma_gemm_f16f16_".to_owned()),
        Just("cutlass_80_tensorop_s1688gemm_".to_owned()),
        Just("bmm_E4m3_E4m3".to_owned()),
        Just("fmhaSm100fKernel_Qkv".to_owned()),
        Just("Cijk_Ailk_Bljk_".to_owned()),
        Just("__myl_FcAdd".to_owned()),
        Just("triton_per_fused_".to_owned()),
        Just("_matmul_ogs_NNT_".to_owned()),
        Just("_ZN7cutlass7Kernel2I".to_owned()),
        Just("_ZN2at6native".to_owned()),
        Just("kernel_cutlass_kernel_".to_owned()),
        Just("Marlin<1125899906909960l, ".to_owned()),
        Just("fmha_cutlassF_f32_".to_owned()),
        "[<>(){}\\[\\],:*& ]{1,4}",
        "[A-Za-z0-9_]{1,12}",
        "\\PC{0,4}",
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read(name in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        read(&name);
    }

    #[test]
    fn any_mix_of_conventions_is_read(pieces in proptest::collection::vec(piece(), 0..40)) {
        let name = pieces.concat();
        let class = read(name.as_bytes());
        prop_assert!(class.to_json_line(&name).is_ascii() || !name.is_ascii());
    }

    #[test]
    fn any_mangled_tail_is_read(tail in "[A-Z0-9a-z_]{0,400}") {
        read(format!("_Z{tail}").as_bytes());
    }

    #[test]
    fn a_name_reads_the_same_with_or_without_anonymous_namespaces(tile in 1u32..512, warps in 1u32..9) {
        let plain = format!("void ns::my_rms_norm_kernel<__half, {tile}, {warps}>(int)");
        let spelt = format!("void ns::(anonymous namespace)::my_rms_norm_kernel<__half, (int){tile}, (int){warps}>(int)");
        prop_assert_eq!(read(plain.as_bytes()), read(spelt.as_bytes()));
    }
}

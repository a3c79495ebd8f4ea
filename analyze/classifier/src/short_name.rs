//! Kernel names short enough to read.
//!
//! A full name runs to hundreds of characters, most of them namespaces, template arguments and
//! parameters. What a person recognises is the function; where that is the same for whatever a
//! library runs (`elementwise_kernel`, `cutlass::Kernel2`), it is what the function was
//! instantiated with.

use crate::dtype::real_from_word;
use crate::name::{Name, Span};

/// Functions that run whatever their first template argument is.
const WRAPPERS: [&str; 6] =
    ["Kernel", "Kernel2", "_kernel_agent", "device_kernel", "kentry", "trampoline_kernel"];

/// Functors and functions of ATen that hand on to another.
const GENERIC: [&str; 8] = [
    "AUnaryFunctor",
    "BUnaryFunctor",
    "BinaryFunctor",
    "apply",
    "func_wrapper_t",
    "gpu_index_kernel",
    "gpu_kernel_impl",
    "gpu_kernel_impl_nocast",
];

/// Template arguments that say nothing of what a wrapper runs.
const PLAIN: [&str; 9] = ["", "bool", "char", "false", "int", "long", "short", "true", "unsigned"];

/// Template lists inside one another that are followed to what a wrapper runs.
const MOST_LISTS: usize = 8;

/// A short form of a kernel name, mangled or not: its function, and what that was instantiated with
/// where the function alone says little.
///
/// Names that are not C++ (nvjet, cuBLAS, Triton, layers of an engine) stay as they are.
///
/// ```
/// use underspan_classifier::short_name;
///
/// let name = "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>";
/// assert_eq!(short_name(name), "vectorized_elementwise_kernel<CUDAFunctor_add>");
/// ```
pub fn short_name(full: &str) -> String {
    // Layers of an engine: "Conv_0 + Relu_1", "Reformatting CopyNode for Conv_26".
    let is_layer = full.contains(" + ") || !full.contains(['<', '(', ':']) && full.contains(' ');
    // No name of C++ goes on behind its template arguments.
    if is_layer || full.contains(">_") {
        return full.to_owned();
    }
    let name = Name::read(full.as_bytes());
    let function = name.function();
    if function.is_empty() || function.starts_with("_Z") {
        return full.to_owned();
    }
    if WRAPPERS.contains(&function) {
        return match run_by_wrapper(&name, name.template(), MOST_LISTS) {
            Some(inner) if inner.starts_with("cutlass_") => inner.to_owned(),
            Some(inner) => format!("{function}<{inner}>"),
            None => function.to_owned(),
        };
    }
    if function == "kernel"
        && let Some(namespace) = name.namespaces().next_back()
    {
        return format!("{namespace}::{function}");
    }
    let lists = [name.template(), name.params()];
    match lists.into_iter().find_map(|list| functor(&name, list, function)) {
        Some(functor) => format!("{function}<{functor}>"),
        None => function.to_owned(),
    }
}

/// What a wrapper runs: its first template argument that is neither a number nor a plain type, past
/// templates that only choose an architecture.
fn run_by_wrapper<'n>(name: &'n Name<'_>, list: Span, most_lists: usize) -> Option<&'n str> {
    // rocPRIM hands over configurations first.
    if let Some(word) = name.find_word(list, |word| word.ends_with("_impl")) {
        return Some(word);
    }
    let is_telling = |head: &str| {
        !head.starts_with(|c: char| c.is_ascii_digit())
            && !PLAIN.contains(&head)
            && real_from_word(head).is_none()
    };
    let arg = name.args(list).find(|arg| is_telling(name.head(*arg)))?;
    let head = name.head(arg);
    if head.starts_with("enable_") && most_lists > 0 {
        let within = name.list_of(arg, head)?;
        return run_by_wrapper(name, within, most_lists - 1).or(Some(head));
    }
    Some(head)
}

/// The functor, or the function around a lambda, that a generic kernel of PyTorch applies.
fn functor<'n>(name: &'n Name<'_>, list: Span, function: &str) -> Option<&'n str> {
    let is_elementwise = function.contains("elementwise_kernel");
    let tells = |(index, word): &(u32, &str)| {
        let is_functor = word.ends_with("Functor")
            || word.ends_with("_functor")
            || word.ends_with("_kernel_cuda")
            || word.ends_with("Ops") && word.len() > 3;
        let is_applied = word.starts_with("CUDAFunctor")
            || name.has_lambda(*index) && !word.starts_with("operator");
        *word != function && !GENERIC.contains(word) && (is_functor || is_elementwise && is_applied)
    };
    name.words(list).find(tells).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn names_become_what_a_person_would_say() {
        let names = [
            "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast<at::native::BinaryFunctor<float, float, float, at::native::binary_internal::MulFunctor<float> > >(at::TensorIteratorBase&)::{lambda(int)#1}>(int, float)",
            "void (anonymous namespace)::softmax_warp_forward<float, float, 9>(float*, float const*, int)",
            "nvjet_tst_128x64_64x8_2x1_v_bz_TNT",
            "flash::combine(int)",
            "Conv_3 + PWN(Clip_16)",
            "Reformatting CopyNode for Conv_26",
            "std::enable_if<(((8) > (0)) && vllm::X<T>::exists), void>::type vllm::fused_add_rms_norm_kernel<c10::BFloat16, 8>(c10::BFloat16*, long)",
            "_ZN5aiter20add_rmsnorm_quantizeIDF16bEEvPKT_PS1_i",
            "volta_h16gemm_<BF16,BF16,float>_tt_v1",
            "_Z99cut",
            "<",
            "",
        ];
        let shown: Vec<String> = names.iter().map(|name| short_name(name)).collect();
        expect![[r"
            elementwise_kernel<MulFunctor>
            softmax_warp_forward
            nvjet_tst_128x64_64x8_2x1_v_bz_TNT
            combine
            Conv_3 + PWN(Clip_16)
            Reformatting CopyNode for Conv_26
            fused_add_rms_norm_kernel
            add_rmsnorm_quantize
            volta_h16gemm_<BF16,BF16,float>_tt_v1
            cut
            <
        "]]
        .assert_eq(&format!("{}\n", shown.join("\n").trim_end()));
    }

    #[test]
    fn functions_that_run_anything_are_told_by_what_they_run() {
        let names = [
            "void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_64x64_64x6_tn_align8>(cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_64x64_64x6_tn_align8::Params)",
            "_ZN7cutlass7Kernel2I44cutlass_80_tensorop_s16816gemm_64x64_64x6_tnEEvNT_6ParamsE",
            "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<flash::CollectiveMainloopFwdSm90<2> > > >(flash::Params)",
            "void ck_tile::kentry<2, ck_tile::MoeSortingKernel<ck_tile::MoeSortingProblemEx<int, float, 2> >, ck_tile::Kargs>(ck_tile::Kargs)",
            "void rocprim::detail::trampoline_kernel<rocprim::default_config, rocprim::detail::reduce_config_selector<bool>, rocprim::detail::reduce_impl<true, long>(int)>()",
            "void cutlass::Kernel<int>()",
            "void cutlass::Kernel<float, half, Op<1>>()",
            "std::enable_if<!(false), void>::type internal::gemvx::kernel<int, int, float>(int)",
            "kernel(float*)",
        ];
        let shown: Vec<String> = names.iter().map(|name| short_name(name)).collect();
        expect![[r"
            cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_64x64_64x6_tn_align8
            cutlass_80_tensorop_s16816gemm_64x64_64x6_tn
            device_kernel<FlashAttnFwdSm90>
            kentry<MoeSortingKernel>
            trampoline_kernel<reduce_impl>
            Kernel
            Kernel<Op>
            gemvx::kernel
            kernel
        "]]
        .assert_eq(&format!("{}\n", shown.join("\n")));
    }

    #[test]
    fn generic_kernels_of_pytorch_are_told_by_what_they_apply() {
        let names = [
            "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>, at::detail::Array<char*, 3> >(int, at::native::CUDAFunctor_add<float>)",
            "void at::native::vectorized_elementwise_kernel<4, at::native::(anonymous namespace)::clamp_min_scalar_kernel_impl(at::TensorIterator&, c10::Scalar)::{lambda()#1}::operator()() const::{lambda(float)#1}, at::detail::Array<char*, 2> >(int)",
            "void at::native::index_elementwise_kernel<128, 4, at::native::gpu_index_kernel<at::native::index_put_kernel_impl<at::native::OpaqueType<8> >(at::TensorIteratorBase&)::{lambda(char*, char*, long)#1}>(at::TensorIteratorBase&)::{lambda(int)#1}>(long)",
            "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_15CUDAFunctor_addIfEESt5arrayIPcLm3EEEEviT0_T1_",
            "void at::native::vectorized_elementwise_kernel<4, at::native::(anonymous namespace)::silu_kernel(at::TensorIteratorBase&)::{lambda()#1}::operator()() const::{lambda(float)#1}, std::array<char*, 2ul> >(int)",
            "void at::native::vectorized_elementwise_kernel<(int)4, at::native::<unnamed>::silu_kernel(at::TensorIteratorBase &)::[lambda() (instance 1)]::operator ()() const::[lambda(float) (instance 1)], at::detail::Array<char *, (int)2>>(int, T2, T3)",
            "void at::native::vectorized_elementwise_kernel<2, at::native::CUDAFunctorOnSelf_add<long> >(int)",
            "void at::native::unrolled_elementwise_kernel<at::native::copy_device_to_device(at::TensorIterator&, bool)::{lambda()#2}::operator()() const::{lambda(float)#1}, at::detail::Array<char*, 2> >(int)",
        ];
        let shown: Vec<String> = names.iter().map(|name| short_name(name)).collect();
        expect![[r"
            vectorized_elementwise_kernel<CUDAFunctor_add>
            vectorized_elementwise_kernel<clamp_min_scalar_kernel_impl>
            index_elementwise_kernel<index_put_kernel_impl>
            vectorized_elementwise_kernel<CUDAFunctor_add>
            vectorized_elementwise_kernel<silu_kernel>
            vectorized_elementwise_kernel<silu_kernel>
            vectorized_elementwise_kernel<CUDAFunctorOnSelf_add>
            unrolled_elementwise_kernel<copy_device_to_device>
        "]]
        .assert_eq(&format!("{}\n", shown.join("\n")));
    }
}

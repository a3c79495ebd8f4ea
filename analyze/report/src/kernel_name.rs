//! Kernel names short enough to read.
//!
//! A demangled name runs to hundreds of characters, most of them namespaces, template arguments
//! and parameters. What a person recognises is the function and, for the generic kernels of
//! PyTorch, the functor it was instantiated with.

/// A short form of a demangled kernel name: function, and functor where there is one.
///
/// Names that are not C++ (nvjet, cuBLAS, Triton) stay as they are.
pub fn short_kernel_name(name: &str) -> String {
    // Layers of an engine: "Conv_0 + Relu_1".
    if name.contains(" + ") || !name.contains(['<', '(', ':']) && name.contains(' ') {
        return name.to_owned();
    }
    if let Some(function) = mangled_function(name) {
        return function.to_owned();
    }
    let text = name.replace("(anonymous namespace)::", "").replace("<unnamed>::", "");
    let (path, arguments) = split(&text);
    let function = path.rsplit("::").next().unwrap_or(path).trim();
    if function.is_empty() {
        return name.to_owned();
    }
    match functor(arguments, function) {
        Some(functor) => format!("{function}<{functor}>"),
        None => function.to_owned(),
    }
}

/// The function of an Itanium-mangled name: the last of the length-prefixed components of its
/// path (`_ZN5aiter7rmsnormE…` is `rmsnorm`).
fn mangled_function(name: &str) -> Option<&str> {
    let mut rest = name.strip_prefix("_Z")?;
    rest = rest.strip_prefix('N').unwrap_or(rest);
    let mut function = None;
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let length: usize = rest[..digits].parse().ok()?;
        function = Some(rest.get(digits..digits.checked_add(length)?)?);
        rest = &rest[digits + length..];
    }
    function
}

/// The function's path and what follows it: template arguments and parameters.
///
/// A space outside of brackets ends the return type, which may itself be a template
/// (`std::enable_if<…>::type f<…>(…)`).
fn split(text: &str) -> (&str, &str) {
    let (mut from, mut first_bracket, mut depth) = (0, None, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' => {
                if depth == 0 && first_bracket.is_none() {
                    first_bracket = Some(at);
                }
                if depth == 0 && c == '(' {
                    break;
                }
                depth += 1;
            }
            '>' | ')' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => (from, first_bracket) = (at + 1, None),
            _ => {}
        }
    }
    text[from..].split_at(first_bracket.unwrap_or(text.len()) - from)
}

/// The most telling identifier among the template arguments.
fn functor<'a>(arguments: &'a str, function: &str) -> Option<&'a str> {
    const GENERIC: [&str; 6] = [
        "BinaryFunctor",
        "BUnaryFunctor",
        "AUnaryFunctor",
        "gpu_kernel_impl",
        "gpu_kernel_impl_nocast",
        "func_wrapper_t",
    ];
    arguments
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| !GENERIC.contains(word) && *word != function)
        .find(|word| {
            word.ends_with("Functor")
                || word.ends_with("_functor")
                || word.ends_with("_kernel_cuda")
                || (word.ends_with("Ops") && word.len() > 3)
        })
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
            "_Z99cut",
            "<",
            "",
        ];
        let shown: Vec<String> = names.iter().map(|name| short_kernel_name(name)).collect();
        expect![[r"
            elementwise_kernel<MulFunctor>
            softmax_warp_forward
            nvjet_tst_128x64_64x8_2x1_v_bz_TNT
            combine
            Conv_3 + PWN(Clip_16)
            Reformatting CopyNode for Conv_26
            fused_add_rms_norm_kernel
            add_rmsnorm_quantize
            _Z99cut
            <
        "]]
        .assert_eq(&format!("{}\n", shown.join("\n").trim_end()));
    }
}

//! Kernel names short enough to read.
//!
//! A demangled name runs to hundreds of characters, most of them namespaces, template arguments
//! and parameters. What a person recognises is the function and, for the generic kernels of
//! PyTorch, the functor it was instantiated with.

/// A short form of a demangled kernel name: function, and functor where there is one.
///
/// Names that are not C++ (nvjet, cuBLAS, Triton) stay as they are.
pub fn short_kernel_name(name: &str) -> String {
    let text = name.strip_prefix("void ").unwrap_or(name);
    let head_end = head_end(text);
    let function = last_component(&text[..head_end]);
    let arguments = &text[head_end..];
    if function.is_empty() {
        return name.to_owned();
    }
    match functor(arguments, function) {
        Some(functor) => format!("{function}<{functor}>"),
        None => function.to_owned(),
    }
}

/// Where the function's own name ends: its template arguments or parameters.
fn head_end(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find(['<', '(']) {
        let at = from + at;
        let is_namespace = ["(anonymous namespace)::", "<unnamed>::"]
            .iter()
            .find(|namespace| text[at..].starts_with(**namespace));
        match is_namespace {
            Some(namespace) => from = at + namespace.len(),
            None => return at,
        }
    }
    text.len()
}

fn last_component(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path).trim()
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
            "<",
            "",
        ];
        let shown: Vec<String> = names.iter().map(|name| short_kernel_name(name)).collect();
        expect![[r"
            elementwise_kernel<MulFunctor>
            softmax_warp_forward
            nvjet_tst_128x64_64x8_2x1_v_bz_TNT
            combine
            <
        "]]
        .assert_eq(&format!("{}\n", shown.join("\n").trim_end()));
    }
}

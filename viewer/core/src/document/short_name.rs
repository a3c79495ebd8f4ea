//! Kernel names short enough to stand in a bar.

/// The function of a demangled or mangled C++ name; other names stay as they are.
pub(crate) fn short_name(name: &str) -> &str {
    if let Some(function) = mangled_function(name) {
        return function;
    }
    if !name.contains(['<', '(']) {
        return name;
    }
    let path = path_of(name);
    let function = path.rsplit("::").next().unwrap_or(path).trim();
    if function.is_empty() { name } else { function }
}

/// The last of the length-prefixed components of an Itanium-mangled path.
fn mangled_function(name: &str) -> Option<&str> {
    let mut rest = name.strip_prefix("_Z")?;
    rest = rest.strip_prefix('N').unwrap_or(rest);
    let mut function = None;
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let length: usize = rest[..digits].parse().ok()?;
        function = Some(rest.get(digits..digits.checked_add(length)?)?);
        rest = rest.get(digits + length..)?;
    }
    function
}

/// What stands before the template arguments and parameters, without the return type. A bracket
/// that opens a component of the path (`(anonymous namespace)::`) belongs to the path.
fn path_of(name: &str) -> &str {
    let (mut from, mut bracket, mut depth) = (0, None, 0_usize);
    for (at, c) in name.char_indices() {
        match c {
            '<' | '(' => {
                if depth == 0 && bracket.is_none() {
                    bracket = Some(at);
                }
                depth += 1;
            }
            '>' | ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && name.get(at + 1..).is_some_and(|rest| rest.starts_with("::")) {
                    (from, bracket) = (at + 3, None);
                }
            }
            ' ' if depth == 0 => (from, bracket) = (at + 1, None),
            _ => {}
        }
        if depth == 1 && c == '(' && bracket == Some(at) && at > from {
            return name.get(from..at).unwrap_or(name);
        }
    }
    name.get(from..bracket.unwrap_or(name.len())).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn the_function_is_what_stays() {
        for (name, short) in [
            (
                "void at::native::elementwise_kernel<128, 4, F<float> >(int, F)",
                "elementwise_kernel",
            ),
            ("void (anonymous namespace)::softmax_warp<float>(float*)", "softmax_warp"),
            ("nvjet_tst_128x64_64x8_2x1_v_bz_TNT", "nvjet_tst_128x64_64x8_2x1_v_bz_TNT"),
            ("flash::combine(int)", "combine"),
            (
                "std::enable_if<(8) > 0, void>::type vllm::norm_kernel<B, 8>(B*, long)",
                "norm_kernel",
            ),
            ("_ZN5aiter20add_rmsnorm_quantizeIDF16bEEvPKT_PS1_i", "add_rmsnorm_quantize"),
            ("aten::mm", "aten::mm"),
            ("cudaLaunchKernel", "cudaLaunchKernel"),
            ("_Z99cut", "_Z99cut"),
            ("<", "<"),
            ("", ""),
        ] {
            assert_eq!(short_name(name), short);
        }
    }
}

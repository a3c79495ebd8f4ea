//! Itanium demangling with every cost bounded.
//!
//! `cpp_demangle` parsed all 92,477 mangled kernel names of the wheels that were measured, with its
//! default recursion limits, the longest of them 2,301 bytes. A hostile name can still expand
//! exponentially through substitutions, so output stops at [`MAX_OUTPUT_BYTES`]; what is cut off
//! is the tail, and the function and its first template arguments stand at the front.

use cpp_demangle::{BorrowedSymbol, DemangleOptions, DemangleWrite, ParseOptions};

/// Longest mangled name that is parsed as such.
const MAX_MANGLED_BYTES: usize = 16 * 1024;
/// Where demangled output stops.
const MAX_OUTPUT_BYTES: usize = 32 * 1024;
/// Depth of the grammar that is followed when parsing and when printing.
const RECURSION_LIMIT: u32 = 128;

/// The demangled form, or `None` where the name is not mangled or not understood at all.
pub(crate) fn demangle(raw: &[u8]) -> Option<String> {
    if !raw.starts_with(b"_Z") {
        return None;
    }
    if raw.len() > MAX_MANGLED_BYTES {
        return Some(source_names(raw));
    }
    let options = ParseOptions::default().recursion_limit(RECURSION_LIMIT);
    let Ok((symbol, _suffix)) = BorrowedSymbol::with_tail_and_options(raw, &options) else {
        return Some(source_names(raw));
    };
    // Parameters repeat the template arguments at length; they only tell more when there are none.
    let long = DemangleOptions::new().no_return_type().recursion_limit(RECURSION_LIMIT);
    let mut text = print(&symbol, &long.no_params());
    if !names_a_real_type(&text) {
        text = print(&symbol, &long);
    }
    if text.is_empty() {
        return Some(source_names(raw));
    }
    Some(text)
}

/// Whether a template argument list already names a floating-point type.
fn names_a_real_type(text: &str) -> bool {
    text.split(['<', '>', ',', ' ', ':', '*', '&', '(', ')'])
        .any(|word| crate::dtype::real_from_word(word).is_some())
}

fn print(symbol: &BorrowedSymbol<'_>, options: &DemangleOptions) -> String {
    let mut out = Bounded(String::with_capacity(256));
    // An error means the bound was reached or a substitution was circular: keep the prefix.
    let _ = symbol.structured_demangle(&mut out, options);
    out.0
}

struct Bounded(String);

impl DemangleWrite for Bounded {
    fn write_string(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > MAX_OUTPUT_BYTES {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// What can be read of a name that cannot be parsed (cut off, too long, too deep, newer than the
/// parser): its `<length><text>` runs in order, the first template list opened where the grammar
/// opens it.
fn source_names(raw: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 2;
    let mut previous_end = 0;
    let mut in_template = false;
    while at < raw.len() && out.len() < MAX_OUTPUT_BYTES {
        let digits = raw[at..].iter().take_while(|byte| byte.is_ascii_digit()).take(5).count();
        // `Li128E` is a literal and `S1_`, `T0_` are references, not lengths.
        let is_literal = raw[at - 1].is_ascii_lowercase() && raw[at - 2] == b'L';
        if digits == 0 || is_literal || matches!(raw[at - 1], b'S' | b'T') {
            at += digits.max(1);
            continue;
        }
        let length = raw[at..at + digits]
            .iter()
            .fold(0usize, |value, digit| value * 10 + usize::from(digit - b'0'));
        let start = at + digits;
        let end = (start + length).min(raw.len());
        let text = &raw[start..end];
        let is_name = !text.is_empty()
            && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            && !text[0].is_ascii_digit();
        if !is_name {
            at = start;
            continue;
        }
        if !out.is_empty() && !out.ends_with('<') {
            out.push_str(if previous_end == at || !in_template { "::" } else { ", " });
        }
        out.push_str(&String::from_utf8_lossy(text));
        at = end;
        previous_end = end;
        if !in_template && raw.get(at) == Some(&b'I') {
            in_template = true;
            out.push('<');
            match raw.get(at + 1) {
                Some(b'f') => out.push_str("float"),
                Some(b'd') => out.push_str("double"),
                _ => {}
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_left_alone() {
        assert_eq!(demangle(b"nvjet_tst_64x8_64x16_2x1_v_bz_TNT"), None);
    }

    #[test]
    fn a_cut_name_still_gives_its_identifiers() {
        let cut = b"_ZN7cutlass7Kernel2I51cutlass_80_tensorop_bf16_s16816gemm_bf16_64x64_32x";
        assert_eq!(
            demangle(cut).as_deref(),
            Some("cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_bf16_64x64_32x")
        );
    }

    #[test]
    fn a_construct_newer_than_the_parser_still_gives_function_and_types() {
        let name =
            b"_ZN3sgl14act_and_mul_krI14__hip_bfloat16TnPFT_RKS1_EXadL_Z4siluIS1_ES2_S4_EEEEvPS2_i";
        assert_eq!(demangle(name).as_deref(), Some("sgl::act_and_mul_kr<__hip_bfloat16, silu"));
    }

    #[test]
    fn exponential_substitutions_are_bounded() {
        // Each template level repeats the one before it three times.
        let mut hostile = String::from("_Z1fI1XIiE");
        for level in 0..60 {
            hostile.push_str(&format!("1YIS{level}_S{level}_S{level}_E"));
        }
        hostile.push_str("Evv");
        let text = demangle(hostile.as_bytes()).unwrap_or_default();
        assert!(text.len() <= MAX_OUTPUT_BYTES);
    }
}

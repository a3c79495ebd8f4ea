//! The one entry point.

use crate::class::{Confidence, KernelClass};
use crate::dtype::Dtype;
use crate::evidence;
use crate::grammar::{self, GRAMMARS};
use crate::library;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;
use crate::table;

/// Says what a kernel is. Never fails: what the name does not tell is "unknown".
///
/// Time is linear in the name's length, of which at most 64 KiB are read.
pub fn classify(query: &KernelQuery<'_>) -> KernelClass {
    classify_without(query, &Ablation::default())
}

/// Parts of the classifier to leave out, for measuring how well the rest generalises.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ablation<'a> {
    /// Names of grammars not to try.
    pub grammars: &'a [&'a str],
    /// Function-table patterns not to use.
    pub patterns: &'a [&'a str],
}

impl Ablation<'_> {
    /// The name of every grammar, in the order they are tried.
    pub fn grammar_names() -> impl Iterator<Item = &'static str> {
        GRAMMARS.iter().map(|grammar| grammar.name)
    }
}

/// As [`classify`], without some of the grammars and function-table rules.
pub fn classify_without(query: &KernelQuery<'_>, ablation: &Ablation<'_>) -> KernelClass {
    let name = Name::read(query.name);
    if let Some(class) = copy_activity(&name) {
        return class;
    }
    if let Some(class) = fused_layers(query, ablation) {
        return class;
    }
    let class = grammar::parse(&name, query, ablation.grammars)
        .or_else(|| table::classify(&name, query, ablation.patterns))
        .unwrap_or_else(|| unknown(&name));
    evidence::complete(class, query)
}

/// `Memcpy HtoD (Pageable -> Device)`, `Memset (Device)`: copies that traces list among kernels.
fn copy_activity(name: &Name<'_>) -> Option<KernelClass> {
    let (operation, role) = match name.word(0) {
        "Memcpy" => ("copy", Role::Copy),
        "Memset" => ("fill", Role::Fill),
        _ => return None,
    };
    Some(KernelClass::new("cuda", operation, role, "copy engine activity"))
}

/// Parts of a fused layer looked at.
const MAX_PARTS: usize = 64;

/// `Conv_0 + Relu_1`, `/layer1/conv1/Conv + /layer1/relu/Relu`: TensorRT joins the names of the
/// layers it fused with ` + `. The multiply among them is what the kernel spends its time on;
/// without one, the first part that says anything.
fn fused_layers(query: &KernelQuery<'_>, ablation: &Ablation<'_>) -> Option<KernelClass> {
    let text = std::str::from_utf8(query.name).ok()?;
    let is_code = text.contains(['<', '(', ';']) || text.contains("::");
    if is_code || !text.contains(" + ") {
        return None;
    }
    let mut first = None;
    for part in text.split(" + ").take(MAX_PARTS) {
        let class = classify_without(&KernelQuery { name: part.as_bytes(), ..*query }, ablation);
        if class.role.value.is_matmul() {
            return Some(class);
        }
        if first.is_none() && class.operation.value != "unknown" {
            first = Some(class);
        }
    }
    first
}

/// Nothing recognised: the element type may still be in the name.
fn unknown(name: &Name<'_>) -> KernelClass {
    let mut class = KernelClass::new(
        library::of(name),
        "unknown",
        Role::Other,
        "no convention matches this name",
    )
    .role_confidence(Confidence::Low)
    .on_tensor_cores(crate::class::TensorCore::Unknown, Confidence::Low, "");
    let real = name.first_real(name.template()).or_else(|| name.param_real());
    class = match real {
        Some(dtype) => {
            class.computes(dtype, "first real type in the name").dtype_confidence(Confidence::Low)
        }
        None => class.computes(Dtype::Unknown, "no element type in the name"),
    };
    class
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fused_layer_is_what_its_multiply_is() {
        let role = |name: &str| classify(&KernelQuery::named(name)).role.value;
        assert_eq!(role("Conv_0 + Relu_1"), Role::Conv);
        assert_eq!(role("/l1/conv1/Conv + /l1/relu/Relu"), Role::Conv);
        assert_eq!(role("fc.weight + ONNXTRT_Broadcast + Gemm_50"), Role::Gemm);
        assert_eq!(role("Relu_1"), Role::Activation);
        let deep = vec!["x"; 100_000].join(" + ");
        assert_eq!(role(&deep), Role::Other, "and long lists end");
    }
}

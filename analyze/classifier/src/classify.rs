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

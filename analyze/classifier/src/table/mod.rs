//! The function table: what the words of a kernel's own name say.
//!
//! Open-source kernels are named in plain words (`fused_add_rms_norm_kernel`, `topkGatingSoftmax`),
//! and the same words mean the same in libraries not met yet. A rule is a line of words; the first
//! rule all of whose words occur wins, so the more specific fusions stand first. Names whose words
//! do not tell are listed whole.
//!
//! Rules are compiled once into word numbers; reading a name costs one hash look-up a word and a
//! few bit tests a rule.

mod attention;
mod collective;
mod data;
mod exact;
mod gemm;
mod kv_cache;
mod linear_attention;
mod moe;
mod norm;
mod pointwise;
mod quantize;
mod sampling;
mod weights;

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::class::{Confidence, KernelClass, TensorCore};
use crate::dtype::Dtype;
use crate::evidence;
use crate::library;
use crate::name::Name;
use crate::query::KernelQuery;
use crate::role::Role;
use crate::words::Words;

/// How a rule decides on tensor cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Never, whatever the types.
    No,
    /// Always.
    Yes,
    /// By instruction words, types and launch ([`evidence::matrix_unit`]).
    Evidence,
    /// Triton with `tl.dot`: always tensor cores, type not in the name.
    Dot,
    /// CUDA cores unless the name says a matrix instruction.
    NoUnlessNamed,
    /// Tensor cores where the name says a generation that has them (`sm90`), else CUDA cores.
    ByGeneration,
}

/// Where a rule takes the type computed in from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Types {
    /// The first real type of the template arguments, else of the parameters.
    Real,
    /// The first real type of the template arguments only: the parameters are side inputs.
    Template,
    /// As [`Types::Real`], and an integer type argument where there is no real one.
    Any,
    /// The kernel moves or converts: the type is storage, nothing is computed in it.
    Storage,
    /// The first real type of at least 16 bits: what a dequantising kernel writes.
    Wide,
    /// `mixed` where two different types are converted, else the one there is.
    Conversion,
    /// The convention fixes it.
    Fixed(Dtype),
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Words separated by spaces: `a|b` either, `!a` not; `@seg` a namespace.
    pub(crate) pattern: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) role: Role,
    pub(crate) unit: Unit,
    pub(crate) types: Types,
}

/// A rule with the defaults of its role.
pub(crate) const fn rule(pattern: &'static str, operation: &'static str, role: Role) -> Rule {
    let unit = match role {
        Role::Gemm
        | Role::Conv
        | Role::Attention
        | Role::AttentionPrefill
        | Role::AttentionDecode => Unit::Evidence,
        _ => Unit::No,
    };
    let types = match role {
        Role::Metadata | Role::WeightPrep => Types::Storage,
        Role::Dequantize => Types::Wide,
        Role::Cast => Types::Conversion,
        _ => Types::Real,
    };
    Rule { pattern, operation, role, unit, types }
}

impl Rule {
    pub(crate) const fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    pub(crate) const fn types(mut self, types: Types) -> Self {
        self.types = types;
        self
    }
}

/// Every rule, most specific first.
const RULES: &[&[Rule]] = &[
    collective::RULES,
    attention::BEFORE_CACHE,
    kv_cache::RULES,
    weights::RULES,
    moe::RULES,
    quantize::MULTIPLIES,
    gemm::SPECIFIC,
    norm::RULES,
    linear_attention::RULES,
    attention::RULES,
    quantize::RULES,
    sampling::RULES,
    gemm::GENERAL,
    pointwise::RULES,
    data::RULES,
];

/// Reads a kernel's own name: whole-name entries, then rules over its words, then over its words
/// and those of the namespaces around it, then with the classes its template arguments name.
pub(crate) fn classify(
    name: &Name<'_>,
    query: &KernelQuery<'_>,
    without: &[&str],
) -> Option<KernelClass> {
    if let Some(rule) = exact::find(name.function()).filter(|rule| !without.contains(&rule.pattern))
    {
        return Some(answer(rule, name, query));
    }
    let mut words = Words::of(name.function());
    if let Some(class) = match_words(&words, name, query, without) {
        return Some(class);
    }
    let is_helper = words.has_any(&HELPER_WORDS);
    for space in name.namespaces() {
        words.extend(Words::of(space));
    }
    // `fused_attn::extract_seed_and_offset` stands beside attention, it is not attention.
    let found = match_words(&words, name, query, without)
        .filter(|class| !(is_helper && class.role.value.is_matmul()));
    if let Some(class) = found {
        return Some(class.role_confidence(Confidence::Low));
    }
    for argument in name.args(name.template()).take(MAX_FUNCTORS) {
        words.extend(Words::of(name.head(argument)));
    }
    match_words(&words, name, query, without).map(|class| class.role_confidence(Confidence::Low))
}

/// Words of functions that serve the namespace's operation rather than being it.
const HELPER_WORDS: [&str; 10] =
    ["prepare", "get", "extract", "populate", "set", "build", "to", "setup", "init", "update"];

/// How many template arguments the last resort reads.
const MAX_FUNCTORS: usize = 8;

/// Applies the rules to words.
pub(crate) fn by_words(
    words: &Words,
    name: &Name<'_>,
    query: &KernelQuery<'_>,
) -> Option<KernelClass> {
    match_words(words, name, query, &[])
}

fn match_words(
    words: &Words,
    name: &Name<'_>,
    query: &KernelQuery<'_>,
    without: &[&str],
) -> Option<KernelClass> {
    let table = compiled();
    let mask = table.mask(words.iter(), name);
    let rule = table.first_match(&mask, without)?;
    Some(answer(rule, name, query))
}

fn answer(rule: &Rule, name: &Name<'_>, query: &KernelQuery<'_>) -> KernelClass {
    let library = library::of(name);
    let why = format!("function table \"{}\"", rule.pattern);
    let role = match rule.role {
        Role::Attention if name.within("prefill") => Role::AttentionPrefill,
        Role::Attention if name.within("decode") => Role::AttentionDecode,
        role => role,
    };
    let class =
        KernelClass::new(library, rule.operation, role, why).role_confidence(Confidence::Medium);
    let class = with_types(class, rule, name);
    match rule.unit {
        Unit::No if rule.role.is_matmul() => class.on_tensor_cores(
            TensorCore::No,
            Confidence::Medium,
            "kernels of this name run on CUDA cores",
        ),
        Unit::No => class,
        Unit::Yes => class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::Medium,
            "kernels of this name run on tensor cores",
        ),
        Unit::Dot => class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::Medium,
            "Triton tl.dot runs on tensor cores",
        ),
        Unit::NoUnlessNamed if evidence::names_instruction(name) => class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::High,
            "a matrix instruction in the name",
        ),
        Unit::ByGeneration if evidence::names_generation(name) => class.on_tensor_cores(
            TensorCore::Yes,
            Confidence::Medium,
            "written for a generation with tensor cores",
        ),
        Unit::NoUnlessNamed | Unit::ByGeneration => class.on_tensor_cores(
            TensorCore::No,
            Confidence::Medium,
            "kernels of this name run on CUDA cores",
        ),
        Unit::Evidence => evidence::matrix_unit(class, name, query),
    }
}

fn with_types(class: KernelClass, rule: &Rule, name: &Name<'_>) -> KernelClass {
    let template = name.template();
    let in_template = name.first_real(template);
    let real = in_template.or_else(|| name.param_real());
    let tagged = || evidence::tagged_type(name, rule.role);
    match rule.types {
        Types::Fixed(dtype) => class.computes(dtype, "fixed by the kernel's convention"),
        Types::Storage => match real {
            Some(dtype) => class
                .computes(Dtype::Unknown, "moves or converts data")
                .stores(dtype, "first element type"),
            None => class,
        },
        Types::Wide => match name
            .find_real(template, is_wide)
            .or_else(|| name.find_real(name.params(), is_wide))
        {
            Some(dtype) => class.computes(dtype, "first wide real type"),
            None => class.computes(Dtype::Unknown, "no wide element type in the name"),
        },
        Types::Conversion => {
            let mut sides = name.args(template).filter_map(|arg| name.real(arg));
            match (sides.next(), sides.next()) {
                (Some(from), Some(to)) if from != to => class
                    .computes(Dtype::Mixed, "converts between two types")
                    .stores(from, "first type argument"),
                (Some(dtype), _) => class.computes(dtype, "the type argument"),
                (None, _) => {
                    class.computes(Dtype::Unknown, "converts between types the name does not state")
                }
            }
        }
        Types::Template => match in_template {
            Some(dtype) => class.computes(dtype, "first real type argument"),
            None => class.computes(Dtype::Unknown, "no element type argument"),
        },
        Types::Real | Types::Any => {
            let integer = || {
                let wanted = rule.types == Types::Any;
                wanted.then(|| name.args(template).find_map(|arg| name.integer(arg))).flatten()
            };
            match (in_template, real) {
                (Some(dtype), _) => class.computes(dtype, "first real type argument"),
                (None, _) if integer().is_some() => {
                    class.computes(integer().unwrap_or(Dtype::Unknown), "integer type argument")
                }
                (None, Some(dtype)) => class
                    .computes(dtype, "first real parameter type")
                    .dtype_confidence(Confidence::Medium),
                (None, None) => match tagged() {
                    Some(dtype) => class
                        .computes(dtype, "type word in the name")
                        .dtype_confidence(Confidence::Medium),
                    None => class.computes(Dtype::Unknown, "no element type in the name"),
                },
            }
        }
    }
}

fn is_wide(dtype: Dtype) -> bool {
    dtype.bits().is_some_and(|bits| bits >= 16)
}

/// Rules with their words numbered.
struct Compiled {
    numbers: HashMap<&'static str, u16>,
    rules: Vec<CompiledRule>,
}

struct CompiledRule {
    /// Each term is satisfied by any of its words.
    terms: Vec<Vec<u16>>,
    none: Vec<u16>,
    rule: Rule,
}

fn compiled() -> &'static Compiled {
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    COMPILED.get_or_init(Compiled::new)
}

/// A set of word numbers.
struct Mask(Vec<u64>);

impl Mask {
    fn set(&mut self, number: u16) {
        if let Some(cell) = self.0.get_mut(usize::from(number / 64)) {
            *cell |= 1 << (number % 64);
        }
    }

    fn has(&self, number: u16) -> bool {
        self.0.get(usize::from(number / 64)).is_some_and(|cell| cell & (1 << (number % 64)) != 0)
    }
}

impl Compiled {
    fn new() -> Self {
        let mut compiled = Self { numbers: HashMap::new(), rules: Vec::new() };
        for rule in RULES.iter().copied().flatten() {
            let (mut terms, mut none) = (Vec::new(), Vec::new());
            for term in rule.pattern.split_ascii_whitespace() {
                match term.strip_prefix('!') {
                    Some(words) => none.extend(words.split('|').map(|word| compiled.number(word))),
                    None => terms.push(term.split('|').map(|word| compiled.number(word)).collect()),
                }
            }
            compiled.rules.push(CompiledRule { terms, none, rule: *rule });
        }
        compiled
    }

    fn number(&mut self, word: &'static str) -> u16 {
        let next = self.numbers.len() as u16;
        *self.numbers.entry(word).or_insert(next)
    }

    fn mask<'w>(&self, words: impl Iterator<Item = &'w str>, name: &Name<'_>) -> Mask {
        let mut mask = Mask(vec![0; self.numbers.len().div_ceil(64)]);
        for word in words {
            self.set_word(&mut mask, word);
        }
        for space in name.namespaces() {
            let key = format!("@{space}");
            if let Some(number) = self.numbers.get(key.as_str()) {
                mask.set(*number);
            }
        }
        if name.is_plain
            && let Some(number) = self.numbers.get("@plain")
        {
            mask.set(*number);
        }
        mask
    }

    fn set_word(&self, mask: &mut Mask, word: &str) {
        if let Some(number) = self.numbers.get(word) {
            mask.set(*number);
            return;
        }
        // `gemv2`, `optimizer32bit1`: what stands before the first digit.
        let stem = word.find(|c: char| c.is_ascii_digit()).map_or("", |at| &word[..at]);
        if stem.len() > 1
            && let Some(number) = self.numbers.get(stem)
        {
            mask.set(*number);
            return;
        }
        if word.ends_with("gemm")
            && word != "fbgemm"
            && let Some(number) = self.numbers.get("gemm")
        {
            mask.set(*number);
        }
        // Words run together (`addbiaslayernorm`): long stems are distinctive enough to be looked
        // for.
        if word.len() > 7 {
            for stem in RUN_TOGETHER {
                if word.contains(stem.0)
                    && let Some(number) = self.numbers.get(stem.1)
                {
                    mask.set(*number);
                }
            }
        }
    }

    fn first_match(&self, mask: &Mask, without: &[&str]) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|compiled| {
                compiled.terms.iter().all(|term| term.iter().any(|word| mask.has(*word)))
                    && !compiled.none.iter().any(|word| mask.has(*word))
                    && !without.contains(&compiled.rule.pattern)
            })
            .map(|compiled| &compiled.rule)
    }
}

/// Distinctive stems looked for inside longer lower-case words, and the word they stand for.
const RUN_TOGETHER: &[(&str, &str)] = &[
    ("layernorm", "layernorm"),
    ("rmsnorm", "rmsnorm"),
    ("groupnorm", "groupnorm"),
    ("batchnorm", "batchnorm"),
    ("softmax", "softmax"),
    ("allreduce", "allreduce"),
    ("allgather", "allgather"),
    ("reducescatter", "reducescatter"),
    ("dequant", "dequant"),
    ("quantiz", "quant"),
    ("attention", "attn"),
    ("flashattn", "flashattn"),
    ("transpose", "transpose"),
    ("embedding", "embedding"),
    ("residual", "residual"),
    ("matmul", "matmul"),
    ("gemm", "gemm"),
    ("swiglu", "swiglu"),
    ("gelu", "gelu"),
    ("silu", "silu"),
    ("dropout", "dropout"),
    ("crossentropy", "crossentropy"),
    ("upsample", "upsample"),
    ("interpolat", "upsample"),
    ("depthwise", "depthwise"),
    ("deltarule", "deltarule"),
    ("kvcache", "kvcache"),
    ("hadamard", "hadamard"),
    ("bitrowwise", "rowwise"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::tests::line;

    #[test]
    fn every_pattern_is_made_of_canonical_words() {
        let mut unreachable = Vec::new();
        for rule in RULES.iter().copied().flatten() {
            for word in rule.pattern.split([' ', '|', '!']).filter(|word| !word.is_empty()) {
                let read: Vec<String> = Words::of(word).iter().map(str::to_owned).collect();
                if !word.starts_with('@') && read != [word] {
                    unreachable.push(format!("{word} (read as {read:?}) in \"{}\"", rule.pattern));
                }
            }
        }
        assert!(unreachable.is_empty(), "{}", unreachable.join("\n"));
    }

    #[test]
    fn fusions_are_named_after_their_most_telling_part() {
        assert_eq!(
            line("void acme::fused_add_rms_norm_kernel<__half>(__half*)"),
            "fused_add_rmsnorm norm fp16 no unknown"
        );
        assert_eq!(
            line("void fusedQKNormRopeKernel<c10::BFloat16, 128, true>(void*)"),
            "qknorm_rope rope bf16 no unknown"
        );
        assert_eq!(
            line("void acme::allReduceAddRmsNorm<float>(float*)"),
            "allreduce_fused_norm collective fp32 no unknown"
        );
    }
}

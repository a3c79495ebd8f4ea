//! A kernel name taken apart once: function path, template arguments, parameters.

use std::borrow::Cow;

use crate::demangle;
use crate::dtype::{self, Dtype};
use crate::lexer::{self, Kind, Token};

/// A half-open range of token indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };
}

/// A name in any of the four spellings (Kineto / `c++filt`, mangled, nsys, ncu), tokenized.
#[derive(Debug)]
pub(crate) struct Name<'a> {
    text: Cow<'a, str>,
    tokens: Vec<Token>,
    /// Token indices of the function path's words, outermost namespace first.
    path: Vec<u32>,
    template: Span,
    params: Span,
    /// Whether the function's template list or parameters are in the name at all.
    pub(crate) is_plain: bool,
}

impl<'a> Name<'a> {
    /// Reads a name; invalid UTF-8 is replaced, mangled names are demangled.
    pub(crate) fn read(raw: &'a [u8]) -> Self {
        let raw = &raw[..raw.len().min(lexer::MAX_NAME_BYTES)];
        let mut text = match demangle::demangle(raw) {
            Some(demangled) => Cow::Owned(demangled),
            None => String::from_utf8_lossy(raw),
        };
        for unnamed in ["(anonymous namespace)::", "<unnamed>::"] {
            if text.contains(unnamed) {
                text = Cow::Owned(text.replace(unnamed, ""));
            }
        }
        let tokens = lexer::tokenize(&text);
        let mut name = Self {
            text,
            tokens,
            path: Vec::new(),
            template: Span::EMPTY,
            params: Span::EMPTY,
            is_plain: false,
        };
        name.locate_function();
        name
    }

    /// The function's own name, without namespaces, template arguments or parameters.
    pub(crate) fn function(&self) -> &str {
        self.path.last().map_or("", |index| self.word(*index))
    }

    /// The namespaces and classes around the function, outermost first.
    pub(crate) fn namespaces(&self) -> impl DoubleEndedIterator<Item = &str> {
        let outer = self.path.len().saturating_sub(1);
        self.path[..outer].iter().map(|index| self.word(*index))
    }

    /// Whether any namespace or class around the function is exactly `segment`.
    pub(crate) fn within(&self, segment: &str) -> bool {
        self.namespaces().any(|found| found == segment)
    }

    /// The function's template argument list, without its brackets.
    pub(crate) fn template(&self) -> Span {
        self.template
    }

    /// The function's parameter list, without its brackets.
    pub(crate) fn params(&self) -> Span {
        self.params
    }

    /// The whole name.
    pub(crate) fn whole(&self) -> Span {
        Span { start: 0, end: self.tokens.len() as u32 }
    }

    /// Splits a list at its top-level commas.
    pub(crate) fn args(&self, list: Span) -> Args<'_, 'a> {
        Args { name: self, at: list.start, end: list.end }
    }

    /// Every word in a span, nested ones included, with its token index.
    pub(crate) fn words(&self, span: Span) -> impl Iterator<Item = (u32, &str)> {
        (span.start..span.end)
            .filter(|index| self.kind(*index) == Some(Kind::Word))
            .map(|index| (index, self.word(index)))
    }

    /// Whether the exact word occurs anywhere in the span.
    pub(crate) fn has_word(&self, span: Span, word: &str) -> bool {
        self.words(span).any(|(_, found)| found == word)
    }

    /// The first word, template arguments included, that satisfies `test`.
    pub(crate) fn find_word(&self, span: Span, test: impl Fn(&str) -> bool) -> Option<&str> {
        self.words(span).map(|(_, word)| word).find(|word| test(word))
    }

    /// Whether the word at `index` names a function that a lambda is defined in: `f<..>(..)::{lambda`,
    /// or `[lambda` as nsys writes it.
    pub(crate) fn has_lambda(&self, index: u32) -> bool {
        let mut at = index + 1;
        for bracket in [b'<', b'('] {
            if self.kind(at) == Some(Kind::Open(bracket)) {
                at = self.after_group(at);
            }
        }
        self.kind(at) == Some(Kind::Scope)
            && matches!(self.kind(at + 1), Some(Kind::Open(b'{' | b'[')))
    }

    /// The template list that follows the word at `index`, without its brackets.
    pub(crate) fn list_after(&self, index: u32) -> Option<Span> {
        let open = index + 1;
        match self.tokens.get(open as usize)? {
            Token { kind: Kind::Open(b'<'), partner, .. } => {
                Some(Span { start: open + 1, end: *partner })
            }
            _ => None,
        }
    }

    /// The template list of the first occurrence of the exact word `class` in the span.
    pub(crate) fn list_of(&self, span: Span, class: &str) -> Option<Span> {
        self.words(span)
            .filter(|(_, word)| *word == class)
            .find_map(|(index, _)| self.list_after(index))
    }

    /// The word that names an argument: the last of its leading path (`cutlass::half_t` gives
    /// `half_t`), with `const` and casts skipped.
    pub(crate) fn head(&self, arg: Span) -> &str {
        let mut head = "";
        let mut at = arg.start;
        while at < arg.end {
            match self.kind(at) {
                Some(Kind::Word) => {
                    let word = self.word(at);
                    at += 1;
                    if matches!(word, "const" | "volatile" | "typename" | "struct" | "enum") {
                        continue;
                    }
                    head = word;
                    if self.kind(at) == Some(Kind::Open(b'<')) {
                        at = self.after_group(at);
                    }
                    if self.kind(at) != Some(Kind::Scope) {
                        return head;
                    }
                }
                Some(Kind::Open(_)) => at = self.after_group(at),
                _ => at += 1,
            }
        }
        head
    }

    /// The integer an argument is, with its cast and suffix stripped: `(int)128`, `128ul`,
    /// `(cute::UMMA::Major)0`.
    pub(crate) fn number(&self, arg: Span) -> Option<i64> {
        let last = arg.end.checked_sub(1).filter(|last| *last >= arg.start)?;
        if self.kind(last) != Some(Kind::Word) {
            return None;
        }
        let digits = self.word(last).trim_end_matches(['u', 'l', 'U', 'L']);
        let value: i64 = digits.parse().ok()?;
        let negative = last > arg.start && self.kind(last - 1) == Some(Kind::Symbol(b'-'));
        Some(if negative { -value } else { value })
    }

    /// The enumeration an argument is cast to: `(c10::ScalarType)15` gives `ScalarType`.
    pub(crate) fn cast(&self, arg: Span) -> Option<&str> {
        if self.kind(arg.start) != Some(Kind::Open(b'(')) {
            return None;
        }
        let close = self.tokens.get(arg.start as usize)?.partner.min(arg.end);
        Some(self.head(Span { start: arg.start + 1, end: close }))
    }

    /// The element type an argument is, integers included; `None` for classes and values.
    pub(crate) fn dtype(&self, arg: Span) -> Option<Dtype> {
        self.real(arg).or_else(|| self.integer(arg))
    }

    /// The real or complex type an argument is.
    pub(crate) fn real(&self, arg: Span) -> Option<Dtype> {
        let head = self.head(arg);
        match head {
            "complex" => self.first_real(arg),
            "" if self.cast(arg) == Some("ScalarType") => self.first_real(arg),
            _ => dtype::real_from_word(head),
        }
    }

    /// The first real or complex type in a span at any depth, `(c10::ScalarType)15` included.
    pub(crate) fn first_real(&self, span: Span) -> Option<Dtype> {
        self.words(span).filter(|(index, _)| self.kind(index + 1) != Some(Kind::Scope)).find_map(
            |(index, word)| match word {
                "complex" => self.complex(index),
                "ScalarType" => self.number_at(index + 2).and_then(scalar_type),
                _ => dtype::real_from_word(word),
            },
        )
    }

    /// The element type the parameters tell: of the first that points to or holds elements, else of
    /// the first passed by value (a `float` scale beside raw bytes is the only arithmetic there
    /// is).
    pub(crate) fn param_real(&self) -> Option<Dtype> {
        self.args(self.params)
            .filter(|arg| !self.is_scalar(*arg))
            .find_map(|arg| self.first_real(arg))
            .or_else(|| self.first_real(self.params))
    }

    /// Whether an argument is a bare word or two: no pointer, no reference, no template list.
    fn is_scalar(&self, arg: Span) -> bool {
        (arg.start..arg.end).all(|index| matches!(self.kind(index), Some(Kind::Word | Kind::Scope)))
    }

    /// The first real type in a span that satisfies `test`.
    pub(crate) fn find_real(&self, span: Span, test: impl Fn(Dtype) -> bool) -> Option<Dtype> {
        self.words(span)
            .filter(|(index, _)| self.kind(index + 1) != Some(Kind::Scope))
            .filter_map(|(_, word)| dtype::real_from_word(word))
            .find(|dtype| test(*dtype))
    }

    /// The complex type whose `complex` word is at `index`.
    fn complex(&self, index: u32) -> Option<Dtype> {
        match self.head(self.list_after(index)?) {
            "float" => Some(Dtype::C64),
            "double" => Some(Dtype::C128),
            _ => None,
        }
    }

    /// The number that stands at `index`: two past the enumeration of a cast `(Enum)15`.
    pub(crate) fn number_at(&self, index: u32) -> Option<i64> {
        self.number(Span { start: index, end: index + 1 })
    }

    /// The integer type an argument is.
    pub(crate) fn integer(&self, arg: Span) -> Option<Dtype> {
        let (mut unsigned, mut width) = (false, None);
        for index in arg.start..arg.end {
            match self.kind(index) {
                Some(Kind::Word) => match self.word(index) {
                    "unsigned" => unsigned = true,
                    "signed" | "const" | "volatile" => {}
                    "long" | "int64_t" | "longlong" => width = Some(Dtype::Int64),
                    "uint64_t" => (unsigned, width) = (true, Some(Dtype::Int64)),
                    "int" | "int32_t" => width = width.or(Some(Dtype::Int32)),
                    "uint32_t" => (unsigned, width) = (true, Some(Dtype::Int32)),
                    "short" | "int16_t" => width = Some(Dtype::Int16),
                    "uint16_t" => (unsigned, width) = (true, Some(Dtype::Int16)),
                    "char" | "int8_t" => width = Some(Dtype::Int8),
                    "uint8_t" | "byte" => (unsigned, width) = (true, Some(Dtype::Int8)),
                    "bool" => width = Some(Dtype::Bool),
                    _ => return None,
                },
                Some(Kind::Symbol(b'*' | b'&')) => {}
                _ => return None,
            }
        }
        match (width, unsigned) {
            (Some(Dtype::Int8), true) => Some(Dtype::Uint8),
            (found, _) => found,
        }
    }

    /// What the token at `index` is; `None` past the end.
    pub(crate) fn kind(&self, index: u32) -> Option<Kind> {
        self.tokens.get(index as usize).map(|token| token.kind)
    }

    /// What follows the word at `index` in the list it stands in, after the comma.
    pub(crate) fn list_tail(&self, index: u32) -> Option<Span> {
        let start = index + 2;
        if self.kind(index + 1) != Some(Kind::Comma) {
            return None;
        }
        let mut end = start;
        loop {
            match self.kind(end) {
                Some(Kind::Open(_)) => end = self.after_group(end),
                Some(Kind::Close) | None => return Some(Span { start, end }),
                Some(_) => end += 1,
            }
        }
    }

    /// The contents of the bracket group that opens at `open`.
    pub(crate) fn group(&self, open: u32) -> Span {
        Span { start: open + 1, end: (self.after_group(open) - 1).min(self.tokens.len() as u32) }
    }

    /// The text of the token at `index`; empty past the end.
    pub(crate) fn word(&self, index: u32) -> &str {
        self.tokens
            .get(index as usize)
            .and_then(|token| self.text.get(token.start as usize..token.end as usize))
            .unwrap_or("")
    }

    /// The index after the bracket group that opens at `open`.
    fn after_group(&self, open: u32) -> u32 {
        self.tokens.get(open as usize).map_or(open + 1, |token| token.partner.max(open) + 1)
    }

    /// Finds the path of the function itself: the last `a::b<..>` before its parameters, past
    /// any return type.
    fn locate_function(&mut self) {
        let mut path: Vec<u32> = Vec::new();
        let mut template = Span::EMPTY;
        let mut continues = false;
        let mut at = 0;
        while let Some(kind) = self.kind(at) {
            match kind {
                Kind::Word => {
                    let word = self.word(at);
                    // After the parameters of a member or a lambda: `f() const`, `[clone ..]`.
                    if word != "const" && word != "clone" {
                        if !continues {
                            path.clear();
                        }
                        if !is_anonymous(word) {
                            path.push(at);
                        }
                        template = Span::EMPTY;
                    }
                    continues = false;
                    at += 1;
                }
                Kind::Scope => {
                    continues = true;
                    at += 1;
                }
                Kind::Open(b'<') => {
                    let next = self.after_group(at);
                    template = Span { start: at + 1, end: next - 1 };
                    continues = false;
                    at = next;
                }
                Kind::Open(b'(') => {
                    let next = self.after_group(at);
                    let is_call = at > 0 && matches!(self.word(at - 1), "decltype" | "noexcept");
                    if !path.is_empty() && !is_call && self.kind(next) != Some(Kind::Scope) {
                        self.params = Span { start: at + 1, end: next - 1 };
                        break;
                    }
                    continues = false;
                    at = next;
                }
                Kind::Open(_) => at = self.after_group(at),
                _ => at += 1,
            }
        }
        let len = self.tokens.len() as u32;
        template.end = template.end.min(len);
        self.params.end = self.params.end.min(len);
        self.is_plain = template == Span::EMPTY && self.params == Span::EMPTY;
        self.path = path;
        self.template = template;
    }
}

/// c10's enumeration of element types, as far as real: pytorch `c10/core/ScalarType.h`.
fn scalar_type(number: i64) -> Option<Dtype> {
    Some(match number {
        5 => Dtype::Fp16,
        6 => Dtype::Fp32,
        7 => Dtype::Fp64,
        9 => Dtype::C64,
        10 => Dtype::C128,
        15 => Dtype::Bf16,
        23 => Dtype::Fp8E5m2,
        24 => Dtype::Fp8E4m3,
        _ => return None,
    })
}

/// A segment that only makes a name unique to its translation unit.
fn is_anonymous(word: &str) -> bool {
    word.starts_with("_GLOBAL__N_") || word.starts_with("_INTERNAL_")
}

/// Iterator over the arguments of a list.
pub(crate) struct Args<'n, 'a> {
    name: &'n Name<'a>,
    at: u32,
    end: u32,
}

impl Iterator for Args<'_, '_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        if self.at >= self.end {
            return None;
        }
        let start = self.at;
        while self.at < self.end {
            match self.name.kind(self.at) {
                Some(Kind::Comma) => {
                    let arg = Span { start, end: self.at };
                    self.at += 1;
                    return Some(arg);
                }
                Some(Kind::Open(_)) => self.at = self.name.after_group(self.at),
                _ => self.at += 1,
            }
        }
        Some(Span { start, end: self.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(raw: &str) -> String {
        let name = Name::read(raw.as_bytes());
        let spaces: Vec<_> = name.namespaces().collect();
        let args: Vec<_> = name.args(name.template()).map(|arg| name.head(arg)).collect();
        let params = name.args(name.params()).count();
        format!("{} {} [{}] {params}", spaces.join("::"), name.function(), args.join(" "))
    }

    #[test]
    fn four_spellings_of_one_kernel_read_alike() {
        let expected = "ns::inner op_kernel [128 half_t]";
        for spelling in [
            "void ns::inner::op_kernel<128, cutlass::half_t>(int, float*)",
            "void ns::inner::(anonymous namespace)::op_kernel<128, cutlass::half_t>(int, float*)",
            "void ns::inner::<unnamed>::op_kernel<(int)128, cutlass::half_t>(T1, T2 *)",
            "_ZN2ns5inner9op_kernelILi128EN7cutlass6half_tEEEviPf",
        ] {
            let outline = outline(spelling);
            assert_eq!(
                outline.rsplit_once(' ').map(|(head, _)| head),
                Some(expected),
                "{spelling}"
            );
        }
        assert_eq!(outline("op_kernel"), " op_kernel [] 0");
        // Parameters of a mangled name are read where the template tells no type.
        assert_eq!(outline("_ZN2ns1fILi4EEEviPf"), "ns f [4] 2");
    }

    #[test]
    fn return_types_are_not_the_function() {
        assert_eq!(
            outline(
                "std::enable_if<((8)>(0))&&v::c<c10::Half>::exists, void>::type v::f<c10::Half, 8>(c10::Half*)"
            ),
            "v f [Half 8] 1"
        );
        assert_eq!(outline("unsigned int f(int)"), " f [] 1");
    }

    #[test]
    fn numbers_and_casts() {
        let name = Name::read(b"f<(int)-2, 4ul, (c10::ScalarType)15, float>()");
        let args: Vec<_> = name.args(name.template()).collect();
        assert_eq!(
            args.iter().map(|a| name.number(*a)).collect::<Vec<_>>(),
            [Some(-2), Some(4), Some(15), None]
        );
        assert_eq!(name.cast(args[2]), Some("ScalarType"));
    }

    #[test]
    fn element_types() {
        let name = Name::read(
            b"f<unsigned char, long, unsigned short, c10::complex<float>, __half const*, X<float>>()",
        );
        let found: Vec<_> = name.args(name.template()).map(|a| name.dtype(a)).collect();
        assert_eq!(
            found,
            [
                Some(Dtype::Uint8),
                Some(Dtype::Int64),
                Some(Dtype::Int16),
                Some(Dtype::C64),
                Some(Dtype::Fp16),
                None
            ]
        );
    }
}

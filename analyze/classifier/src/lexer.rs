//! Splits a demangled name into tokens and pairs its brackets, in one pass and without recursion.
//!
//! Names come from strangers' files. Work is linear in the length, nesting costs one `u32` a
//! level, and nothing is rejected: an unbalanced bracket is an ordinary symbol, a bracket cut off
//! by truncation is closed by the end.

/// Longest prefix of a name that is read; the rest is ignored.
pub(crate) const MAX_NAME_BYTES: usize = 64 * 1024;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Identifier, keyword or number, `operator()` included.
    Word,
    /// `::`
    Scope,
    /// `,`
    Comma,
    /// An opening bracket with a partner.
    Open(u8),
    /// A closing bracket with a partner.
    Close,
    /// Any other byte.
    Symbol(u8),
}

/// One token: a byte range, and for brackets the index of the other one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Index of the partner bracket; the number of tokens when the name ends before it.
    pub(crate) partner: u32,
}

/// Tokenizes `text`, of which at most [`MAX_NAME_BYTES`] are read.
pub(crate) fn tokenize(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let len = bytes.len().min(MAX_NAME_BYTES);
    let bytes = &bytes[..len];
    let mut lexer =
        Lexer { tokens: Vec::with_capacity(len / 4 + 4), open: Vec::new(), depth: [0; 4] };
    let mut at = 0;
    while at < len {
        let byte = bytes[at];
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            _ if is_word(byte) => {
                let start = at;
                while at < len && is_word(bytes[at]) {
                    at += 1;
                }
                if &bytes[start..at] == b"operator" {
                    at = operator_end(bytes, at);
                }
                lexer.push(Kind::Word, start, at);
            }
            b':' if bytes.get(at + 1) == Some(&b':') => {
                lexer.push(Kind::Scope, at, at + 2);
                at += 2;
            }
            b'-' if bytes.get(at + 1) == Some(&b'>') => {
                lexer.push(Kind::Symbol(b'-'), at, at + 2);
                at += 2;
            }
            b',' => {
                lexer.push(Kind::Comma, at, at + 1);
                at += 1;
            }
            b'<' | b'(' | b'[' | b'{' => {
                lexer.open(byte, at);
                at += 1;
            }
            b'>' | b')' | b']' | b'}' => {
                lexer.close(byte, at);
                at += 1;
            }
            _ => {
                lexer.push(Kind::Symbol(byte), at, at + 1);
                at += 1;
            }
        }
    }
    lexer.finish()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b'~') || byte >= 0x80
}

/// End of an operator name that starts after `operator`, so that its brackets do not nest.
fn operator_end(bytes: &[u8], after: usize) -> usize {
    let mut at = after;
    while bytes.get(at) == Some(&b' ') {
        at += 1;
    }
    let rest = &bytes[at..];
    for spelling in [&b"()"[..], b"[]", b"<<", b"<=", b"->", b">=", b">>"] {
        if rest.starts_with(spelling) {
            return at + spelling.len();
        }
    }
    match rest.first() {
        // `operator<` is followed by its own template list or by its parameters.
        Some(b'<' | b'>' | b'=' | b'!' | b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^') => {
            at + 1
        }
        _ => after,
    }
}

struct Lexer {
    tokens: Vec<Token>,
    /// Indices of brackets not yet closed.
    open: Vec<u32>,
    /// How many of them are `<`, `(`, `[`, `{`.
    depth: [u32; 4],
}

impl Lexer {
    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.tokens.push(Token { kind, start: start as u32, end: end as u32, partner: 0 });
    }

    fn open(&mut self, byte: u8, at: usize) {
        self.open.push(self.tokens.len() as u32);
        self.depth[class(byte)] += 1;
        self.push(Kind::Open(byte), at, at + 1);
    }

    fn close(&mut self, byte: u8, at: usize) {
        let opener = match byte {
            b'>' => b'<',
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        // `>` closes only the innermost bracket, so that `(a > b)` stays balanced; the others
        // also abandon a `<` that turned out to be a comparison.
        let closes = match self.innermost() {
            Some(innermost) if innermost == opener => true,
            Some(b'<') if byte != b'>' => self.depth[class(opener)] > 0,
            _ => false,
        };
        if !closes {
            self.push(Kind::Symbol(byte), at, at + 1);
            return;
        }
        while let Some(index) = self.open.pop() {
            let Some(Kind::Open(found)) = self.tokens.get(index as usize).map(|t| t.kind) else {
                continue;
            };
            self.depth[class(found)] -= 1;
            if found == opener {
                let close_index = self.tokens.len() as u32;
                self.tokens[index as usize].partner = close_index;
                self.push(Kind::Close, at, at + 1);
                self.tokens[close_index as usize].partner = index;
                return;
            }
            self.tokens[index as usize].kind = Kind::Symbol(found);
        }
    }

    fn innermost(&self) -> Option<u8> {
        match self.tokens.get(*self.open.last()? as usize)?.kind {
            Kind::Open(byte) => Some(byte),
            _ => None,
        }
    }

    fn finish(mut self) -> Vec<Token> {
        let end = self.tokens.len() as u32;
        for index in self.open {
            self.tokens[index as usize].partner = end;
        }
        self.tokens
    }
}

fn class(byte: u8) -> usize {
    match byte {
        b'<' => 0,
        b'(' => 1,
        b'[' => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokenize(text)
            .iter()
            .filter(|t| t.kind == Kind::Word)
            .map(|t| &text[t.start as usize..t.end as usize])
            .collect()
    }

    #[test]
    fn brackets_pair_across_double_closers() {
        let tokens = tokenize("f<g<h<int>>>(int)");
        let opens: Vec<_> =
            tokens.iter().filter(|t| matches!(t.kind, Kind::Open(_))).map(|t| t.partner).collect();
        assert_eq!(opens, [9, 8, 7, 12]);
    }

    #[test]
    fn comparison_inside_parentheses_does_not_close_a_template() {
        let tokens = tokenize("enable_if<(((8)>(0)))&&b, void>::type f<int>(int)");
        let first = tokens.iter().find(|t| t.kind == Kind::Open(b'<')).map(|t| t.partner);
        let close = first.and_then(|index| tokens.get(index as usize)).map(|t| t.start);
        assert_eq!(close, Some(30));
    }

    #[test]
    fn operators_are_one_word() {
        assert_eq!(words("a::operator()<b>(c)"), ["a", "operator()", "b", "c"]);
        assert_eq!(words("a::operator ()() const"), ["a", "operator ()", "const"]);
        assert_eq!(words("a::operator<<b>"), ["a", "operator<<", "b"]);
    }

    #[test]
    fn truncated_names_close_at_the_end() {
        let tokens = tokenize("f<g<int, flo");
        assert!(
            tokens
                .iter()
                .filter(|t| matches!(t.kind, Kind::Open(_)))
                .all(|t| t.partner as usize == tokens.len())
        );
    }
}

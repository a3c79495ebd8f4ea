//! Rust source without what is not code.

/// The source with comments, texts and characters blanked out, line by line as before. Rules that
/// look for words in code would otherwise find them where they are only spoken of.
pub fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_end(bytes, at),
            b'"' => text_end(bytes, at + 1),
            b'r' if !is_word(bytes, at.wrapping_sub(1)) => match raw_text_end(bytes, at + 1) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            // `br"…"` and `cr"…"`: the letter in front is a word's start, not its end.
            b'b' | b'c'
                if !is_word(bytes, at.wrapping_sub(1)) && bytes.get(at + 1) == Some(&b'r') =>
            {
                match raw_text_end(bytes, at + 2) {
                    Some(end) => end,
                    None => {
                        at += 1;
                        continue;
                    }
                }
            }
            b'\'' => character_end(source, at),
            _ => at + 1,
        };
        if end > at + 1 {
            let blanked = &mut out[at..end.min(bytes.len())];
            blanked.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        at = end;
    }
    // Whole literals were blanked, so what is left is still UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

fn is_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// Block comments nest.
fn block_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn text_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a raw text whose hashes or quote start at `at`; `None` when none starts there.
fn raw_text_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    let start = at + hashes;
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = &bytes[start + 1..];
    let length = body.windows(close.len()).position(|window| window == close)?;
    Some(start + 1 + length + close.len())
}

/// The end of a character literal, or of the quote alone where a lifetime starts.
fn character_end(source: &str, at: usize) -> usize {
    let mut rest = source[at + 1..].char_indices();
    match rest.next() {
        Some((_, '\\')) => {
            let escaped = rest.next().map_or(0, |(offset, c)| offset + c.len_utf8());
            let tail = &source[at + 1 + escaped..];
            tail.find('\'').map_or(source.len(), |length| at + 1 + escaped + length + 1)
        }
        Some((_, c)) if source[at + 1 + c.len_utf8()..].starts_with('\'') => {
            at + 1 + c.len_utf8() + 1
        }
        _ => at + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::code_only;

    #[test]
    fn what_is_not_code_is_blanked_and_lines_stay() {
        for (source, expected) in [
            ("a // unsafe\nb", "a          \nb"),
            ("a /* x /* unsafe */ */ b", "a                      b"),
            (r#"let s = "un\"safe"; t"#, "let s =           ; t"),
            ("r#\"un\"safe\"# x", "             x"),
            ("br\"unsafe\" x", "           x"),
            ("'u' 'a: 'static '\\'' x", "    'a: 'static      x"),
            ("for r in x {}", "for r in x {}"),
            ("'ä' x", "     x"),
            ("\"ends in nothing", "                "),
        ] {
            assert_eq!(code_only(source), expected, "{source}");
        }
    }
}

//! Passing over a value that may be longer than any window: a small state machine, fed piece by
//! piece.

use super::cursor::{Closed, Fault, Nesting, is_delimiter};

#[derive(Debug, Default)]
pub(super) struct Skipper {
    nesting: Nesting,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// In front of the value, or between values of a nested one.
    #[default]
    Between,
    Text {
        is_escaped: bool,
    },
    /// A number or word that is not nested in anything.
    Token,
}

impl Skipper {
    /// Takes the next piece. Where in it the value ended; `None` when it goes on.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Option<usize>, Fault> {
        for (at, &byte) in piece.iter().enumerate() {
            let is_outermost = self.nesting.depth() == 0;
            match self.state {
                State::Text { is_escaped: true } => self.state = State::Text { is_escaped: false },
                State::Text { is_escaped: false } => match byte {
                    b'\\' => self.state = State::Text { is_escaped: true },
                    b'"' if is_outermost => return Ok(Some(at + 1)),
                    b'"' => self.state = State::Between,
                    _ => {}
                },
                State::Token if is_delimiter(byte) => return Ok(Some(at)),
                State::Token => {}
                State::Between => match byte {
                    b'"' => self.state = State::Text { is_escaped: false },
                    b'{' | b'[' if !self.nesting.open(byte) => return Err(Fault::TooDeep { at }),
                    b'}' | b']' => match self.nesting.close(byte) {
                        Closed::Inner => {}
                        Closed::Outermost => return Ok(Some(at + 1)),
                        Closed::Mismatched => {
                            let expected =
                                if is_outermost { "a value" } else { "a matching bracket" };
                            return Err(Fault::Unexpected { at, expected });
                        }
                    },
                    b',' | b':' if is_outermost => {
                        return Err(Fault::Unexpected { at, expected: "a value" });
                    }
                    b' ' | b'\n' | b'\r' | b'\t' => {}
                    _ if self.nesting.depth() == 0 => self.state = State::Token,
                    _ => {}
                },
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kineto::cursor::Cursor;

    #[test]
    fn any_split_gives_what_one_piece_gives() {
        let values = [
            r#" {"a": ["]\"", {}], "b\\": 1} , "x""#,
            r#""te\"xt" }"#,
            "-1.5e3\n}",
            "[[1], {\"k\": [null]}]]",
        ];
        for value in values {
            let mut cursor = Cursor::new(value.as_bytes(), 0);
            cursor.skip_value().expect("a value");
            for cut in 0..value.len() {
                let (front, back) = value.as_bytes().split_at(cut);
                let mut skipper = Skipper::default();
                let end = match skipper.feed(front).expect("sound") {
                    Some(end) => end,
                    None => cut + skipper.feed(back).expect("sound").expect("the end"),
                };
                assert_eq!(end, cursor.at, "{value} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_value_is_a_fault() {
        for value in [",", ":", "}", "[}"] {
            assert!(Skipper::default().feed(value.as_bytes()).is_err(), "{value}");
        }
    }
}

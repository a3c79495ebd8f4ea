//! The control socket's language: one line of text each way.

use std::fmt::Write;
use std::path::PathBuf;

use crate::kinds::KindSet;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `status`
    Status,
    /// `arm` or `arm KINDS`
    Arm(Option<KindSet>),
    /// `disarm`
    Disarm,
    /// `set-kinds KINDS`
    SetKinds(KindSet),
    /// `flush`
    Flush,
    /// `dump FOLDER`
    Dump(PathBuf),
}

impl Request {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_owned())?;
        if text.chars().any(char::is_control) {
            return Err("the line contains control characters".to_owned());
        }
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let rest = rest.trim();
        let kinds = || {
            KindSet::parse(rest)
                .ok_or_else(|| format!("expected lite, node, api or lite+api, found {rest:?}"))
        };
        match (word, rest) {
            ("status", "") => Ok(Self::Status),
            ("arm", "") => Ok(Self::Arm(None)),
            ("arm", _) => Ok(Self::Arm(Some(kinds()?))),
            ("disarm", "") => Ok(Self::Disarm),
            ("set-kinds", _) => Ok(Self::SetKinds(kinds()?)),
            ("flush", "") => Ok(Self::Flush),
            ("dump", "") => Err("dump takes a folder to make".to_owned()),
            ("dump", folder) => Ok(Self::Dump(folder.into())),
            _ => Err(format!(
                "expected status, arm, disarm, set-kinds, flush or dump, found {word:?}"
            )),
        }
    }
}

/// An answer: one JSON object in one line.
#[derive(Debug)]
pub struct Answer {
    text: String,
}

impl Answer {
    /// That it was done.
    pub fn ok() -> Self {
        Self { text: "{\"ok\":true".to_owned() }
    }

    /// Why it was not.
    pub fn error(text: &str) -> Self {
        Self { text: "{\"ok\":false".to_owned() }.with_text("error", text)
    }

    /// Adds a text.
    pub fn with_text(mut self, key: &str, value: &str) -> Self {
        let _ = write!(self.text, ",\"{key}\":\"");
        for c in value.chars() {
            let _ = match c {
                '"' | '\\' => write!(self.text, "\\{c}"),
                c if c.is_control() => write!(self.text, "\\u{:04x}", c as u32),
                c => write!(self.text, "{c}"),
            };
        }
        self.text.push('"');
        self
    }

    /// Adds a number or a truth value.
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let _ = write!(self.text, ",\"{key}\":{value}");
        self
    }

    /// The line, with its end.
    pub fn into_line(mut self) -> String {
        self.text.push_str("}\n");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_refused_with_a_reason() {
        let parse = |text: &str| Request::parse(text.as_bytes());
        assert_eq!(parse("status"), Ok(Request::Status));
        assert_eq!(parse("arm node"), Ok(Request::Arm(Some(KindSet::NODE))));
        assert_eq!(parse("dump /a folder/x"), Ok(Request::Dump("/a folder/x".into())));
        for line in
            ["", "status please", "arm everything", "dump", "STATUS", "\u{1b}[2J", "status\0"]
        {
            assert!(parse(line).is_err(), "{line:?}");
        }
        assert!(Request::parse(b"\xff\xfe").is_err());
    }

    #[test]
    fn answers_are_json_whatever_they_say() {
        let line = Answer::error("no \"such\\ \n thing").with("n", 3).into_line();
        assert_eq!(line, "{\"ok\":false,\"error\":\"no \\\"such\\\\ \\u000a thing\",\"n\":3}\n");
    }
}

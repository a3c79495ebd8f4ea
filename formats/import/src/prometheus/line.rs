//! One line of the text format.

use std::borrow::Cow;

/// One line of the text format.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement<'a> {
    Help {
        family: &'a str,
        text: &'a str,
    },
    Type {
        family: &'a str,
        kind: &'a str,
    },
    Unit {
        family: &'a str,
        unit: &'a str,
    },
    Sample(Sample<'a>),
    Comment,
    /// `# EOF`.
    End,
}

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The value as it is written.
    pub(super) value: &'a str,
    /// The timestamp as it is written.
    pub(super) timestamp: Option<&'a str>,
}

/// Most labels of a sample.
const LABEL_LIMIT: usize = 256;

/// Reads a line.
///
/// # Errors
/// What must stand in it and does not.
pub(super) fn statement(line: &str) -> Result<Statement<'_>, &'static str> {
    let line = line.trim();
    let Some(comment) = line.strip_prefix('#') else { return sample(line).map(Statement::Sample) };
    let comment = comment.trim_start();
    if comment == "EOF" {
        return Ok(Statement::End);
    }
    let mut words = comment.splitn(3, [' ', '\t']);
    let (word, family, rest) = (words.next(), words.next(), words.next().unwrap_or(""));
    let Some(family) = family.map(|family| family.trim_matches('"')) else {
        return Ok(Statement::Comment);
    };
    let rest = rest.trim();
    Ok(match word {
        Some("HELP") => Statement::Help { family, text: rest },
        Some("TYPE") if is_name(family) => Statement::Type { family, kind: rest },
        Some("TYPE") => return Err("the name of a metric"),
        Some("UNIT") => Statement::Unit { family, unit: rest },
        _ => Statement::Comment,
    })
}

fn is_name(name: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
    let is_part = |c: char| is_first(c) || c.is_ascii_digit() || c == '.';
    name.starts_with(is_first) && name.chars().all(is_part)
}

fn sample(line: &str) -> Result<Sample<'_>, &'static str> {
    let name_end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(name_end);
    let mut name = Cow::Borrowed(name);
    let mut labels = Vec::new();
    if let Some(inner) = rest.trim_start().strip_prefix('{') {
        rest = read_labels(inner, &mut name, &mut labels)?;
    }
    if !is_name(&name) {
        return Err("the name of a metric");
    }
    // An exemplar follows behind another '#'.
    let numbers = rest.split(" # ").next().unwrap_or("");
    let mut numbers = numbers.split_whitespace();
    let value = numbers.next().ok_or("a value")?;
    if value.parse::<f64>().is_err() {
        return Err("a number as value");
    }
    let timestamp = numbers.next();
    if timestamp.is_some_and(|stamp| stamp.parse::<f64>().is_err()) {
        return Err("a number as timestamp");
    }
    if numbers.next().is_some() {
        return Err("the end of the line behind the timestamp");
    }
    Ok(Sample { name, labels, value, timestamp })
}

/// Reads labels up to their closing brace; returns what follows it. A name in quotes among them
/// is the metric's own (Prometheus 3).
fn read_labels<'a>(
    inner: &'a str,
    name: &mut Cow<'a, str>,
    labels: &mut Vec<(&'a str, Cow<'a, str>)>,
) -> Result<&'a str, &'static str> {
    let mut rest = inner.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let (own, tail) = quoted_text(quoted)?;
            *name = own;
            rest = tail;
        } else {
            let (key, tail) = rest.split_once('=').ok_or("a label")?;
            let key = key.trim();
            if !is_name(key) {
                return Err("the name of a label");
            }
            let quoted = tail.trim_start().strip_prefix('"').ok_or("a label's value in quotes")?;
            let (value, tail) = quoted_text(quoted)?;
            if labels.len() == LABEL_LIMIT {
                return Err("fewer labels");
            }
            labels.push((key, value));
            rest = tail;
        }
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(tail) => rest = tail.trim_start(),
            None if rest.starts_with('}') => {}
            None => return Err("',' or '}'"),
        }
    }
}

/// Text up to its closing quote, and what follows.
fn quoted_text(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let mut end = None;
    let mut is_escaped = false;
    let mut has_escapes = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => {
                is_escaped = true;
                has_escapes = true;
            }
            '"' => {
                end = Some(at);
                break;
            }
            _ => {}
        }
    }
    let end = end.ok_or("a closing quote")?;
    let (raw, tail) = (&text[..end], &text[end + 1..]);
    if !has_escapes {
        return Ok((Cow::Borrowed(raw), tail));
    }
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => value.push('\n'),
            ('\\', Some(escaped)) => value.push(escaped),
            (c, _) => value.push(c),
        }
    }
    Ok((Cow::Owned(value), tail))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn samples_in_every_spelling() {
        let sample = |line| match statement(line) {
            Ok(Statement::Sample(sample)) => sample,
            other => panic!("{line}: {other:?}"),
        };
        let plain = sample("up 1");
        assert_eq!((plain.name.as_ref(), plain.value, plain.timestamp), ("up", "1", None));
        let full = sample(r#"a:b_total { x = "1" , y="q\"\\\n,}" } 3.5e-2 1797534620.576"#);
        assert_eq!(full.labels, [("x", "1".into()), ("y", "q\"\\\n,}".into())]);
        assert_eq!((full.value, full.timestamp), ("3.5e-2", Some("1797534620.576")));
        let exemplar = sample(r#"h_bucket{le="+Inf"} 7 # {trace_id="ab"} 0.5 1.0"#);
        assert_eq!((exemplar.value, exemplar.timestamp), ("7", None));
        let quoted = sample(r#"{"my.metric", z="1"} +Inf"#);
        assert_eq!((quoted.name.as_ref(), quoted.labels.len()), ("my.metric", 1));
        assert_eq!(sample("m{} NaN -1").timestamp, Some("-1"));
    }

    #[test]
    fn what_is_no_line_of_the_format_says_why() {
        for (line, expected) in [
            ("hello world", "a number as value"),
            ("1up 1", "the name of a metric"),
            ("m", "a value"),
            ("m{a=1} 2", "a label's value in quotes"),
            ("m{a=\"1} 2", "a closing quote"),
            ("m{a=\"1\" b=\"2\"} 2", "',' or '}'"),
            ("m 1 2 3", "the end of the line behind the timestamp"),
            ("m 1 x", "a number as timestamp"),
            ("# TYPE 7 gauge", "the name of a metric"),
        ] {
            assert_eq!(statement(line), Err(expected), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in "\\PC{0,80}|[a{}=\",# 1\\\\]{0,80}") {
            let _ = statement(&line);
        }
    }
}

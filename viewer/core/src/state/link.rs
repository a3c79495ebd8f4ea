//! Deep links: `cap.uspan#t=1000..2000&sel=1:42&request=req-7`.

use std::fmt::Write as _;

use underspan_model::tables::TableKind;

use crate::timeline::TimeRange;

/// What a link says behind its `#`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Range of time in view, in nanoseconds since the capture's first event.
    pub view: Option<TimeRange>,
    /// Table and row of the selected event.
    pub selected: Option<(TableKind, u64)>,
    /// Id of the selected request.
    pub request: Option<String>,
    /// The search.
    pub search: Option<String>,
}

impl Link {
    /// Splits a command-line argument into path and link. A file whose name holds a `#` is left
    /// whole unless what follows is a link.
    pub fn split(argument: &str) -> (&str, Self) {
        match argument.rsplit_once('#') {
            Some((path, link)) => match Self::parse(link) {
                Some(link) => (path, link),
                None => (argument, Self::default()),
            },
            None => (argument, Self::default()),
        }
    }

    /// Reads what stands behind the `#`; `None` when it is no link.
    pub fn parse(text: &str) -> Option<Self> {
        let mut link = Self::default();
        for pair in text.split('&') {
            let (key, value) = pair.split_once('=')?;
            match key {
                "t" => {
                    let (start, end) = value.split_once("..")?;
                    link.view = Some(TimeRange::from_ns(start.parse().ok()?, end.parse().ok()?));
                }
                "sel" => {
                    let (table, row) = value.split_once(':')?;
                    let table = TableKind::from_code(table.parse().ok()?)?;
                    link.selected = Some((table, row.parse().ok()?));
                }
                "request" => link.request = Some(unescaped(value)?),
                "search" => link.search = Some(unescaped(value)?),
                _ => return None,
            }
        }
        Some(link)
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        let mut put = |text: String| {
            write!(f, "{separator}{text}")?;
            separator = "&";
            Ok(())
        };
        if let Some(view) = self.view {
            put(format!("t={}..{}", view.start_ns(), view.end_ns()))?;
        }
        if let Some((table, row)) = self.selected {
            put(format!("sel={}:{row}", table.code()))?;
        }
        if let Some(request) = &self.request {
            put(format!("request={}", escaped(request)))?;
        }
        if let Some(search) = &self.search {
            put(format!("search={}", escaped(search)))?;
        }
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' => {
                escaped.push(char::from(byte));
            }
            byte => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(rest.next()?)? * 16 + digit(rest.next()?)?) as u8);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_say_the_same_when_read_back() {
        let link = Link {
            view: Some(TimeRange::from_ns(-5, 1000)),
            selected: Some((TableKind::Kernel, 42)),
            request: Some("req #7 & co/ü".to_owned()),
            search: Some("ge+mm%".to_owned()),
        };
        let argument = format!("some file.uspan#{link}");
        assert_eq!(Link::split(&argument), ("some file.uspan", link));
    }

    #[test]
    fn names_that_only_look_like_links_stay_names() {
        for name in ["trace#3.json", "a#b=c", "x#t=1", "x#t=a..b", "x#request=%Z1", "x#"] {
            assert_eq!(Link::split(name), (name, Link::default()));
        }
    }
}

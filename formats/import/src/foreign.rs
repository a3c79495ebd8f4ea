//! Files that are not imported, named so that the user is told what they hold.

/// Content that is recognised, but is not something to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// What it is, with its article.
    pub(crate) found: &'static str,
    /// What the user can do.
    pub(crate) hint: &'static str,
}

/// Names the content that starts with `head` when it is of a known other kind.
pub(crate) fn recognise(_head: &[u8]) -> Option<Foreign> {
    None
}

/// Describes unknown content: as text when it looks like text, as bytes otherwise.
pub(crate) fn describe(head: &[u8]) -> String {
    let start = &head[..head.len().min(24)];
    if start.is_empty() {
        return "no content".to_owned();
    }
    match std::str::from_utf8(start) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => {
            format!("text starting with {text:?}")
        }
        _ => {
            let hex: Vec<_> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("bytes starting with {}", hex.join(" "))
        }
    }
}

//! What a caller may choose about an import.

/// What a caller may choose about an import.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Most bytes a compressed file may inflate to before it is refused.
    pub inflated_limit_bytes: u64,
    /// Whether a trace in text that is cut off is read up to the cut, and the cut counted as
    /// [`TruncatedInput`](underspan_model::ProblemKind::TruncatedInput). By default it is an
    /// error.
    pub accept_truncated: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { inflated_limit_bytes: 256 << 30, accept_truncated: false }
    }
}

//! What a caller may choose about an import.

/// What a caller may choose about an import.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Most bytes a compressed file may inflate to before it is refused.
    pub inflated_limit_bytes: u64,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { inflated_limit_bytes: 256 << 30 }
    }
}

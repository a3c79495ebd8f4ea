//! How an import tells its caller how far it is, and hears that it should stop.

use std::path::Path;

/// Told about progress from whichever thread makes it; asked whether to stop.
pub trait Progress: Sync {
    /// A file is begun.
    fn begin(&self, _path: &Path) {}

    /// So many of the file's bytes, as it lies on disk, are done.
    fn advance(&self, _done_bytes: u64, _total_bytes: u64) {}

    /// Whether to stop. Importers ask at least once per few megabytes and then return
    /// [`ImportError::Cancelled`](crate::ImportError::Cancelled).
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Hears nothing and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}

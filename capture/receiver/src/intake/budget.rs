//! How much memory the bodies under way may take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Refusal;

/// Bytes that all bodies under way share.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicUsize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

/// What one body has taken. It is given back on drop.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// Takes more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.budget
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .map_err(|_| Refusal::Busy)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_given_back() {
        let budget = Arc::new(Budget::new(10));
        let mut one = budget.share();
        let mut other = budget.share();
        assert!(one.grow(6).is_ok());
        assert!(matches!(other.grow(5), Err(Refusal::Busy)));
        assert!(other.grow(4).is_ok());
        drop(one);
        assert!(other.grow(6).is_ok());
    }
}

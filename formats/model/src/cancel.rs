//! Long work that gives up when nobody waits for it any more.
//!
//! Who starts the work gives its threads a [`Cancel`] to watch and runs it under
//! [`until_cancelled`]. Loops that take long call [`give_up_if_cancelled`] now and then: on a thread
//! that watches nothing it does nothing, and once the work was cancelled it unwinds to
//! [`until_cancelled`], without a panic message. So functions in between need not know of it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static WATCHED: RefCell<Option<Cancel>> = const { RefCell::new(None) };
}

/// Tells work that nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

/// What unwinds.
struct Cancelled;

impl Cancel {
    /// Nobody waits any more.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether nobody waits any more.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes work on this thread give up once this is cancelled.
    pub fn watch(&self) {
        WATCHED.set(Some(self.clone()));
    }
}

/// Gives up the work of this thread if it watches a [`Cancel`] that was cancelled.
pub fn give_up_if_cancelled() {
    if WATCHED.with_borrow(|watched| watched.as_ref().is_some_and(Cancel::is_cancelled)) {
        resume_unwind(Box::new(Cancelled));
    }
}

/// What the work returns; `None` when it gave up.
///
/// # Panics
/// As the work does.
pub fn until_cancelled<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<Cancelled>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_gives_up_only_where_what_it_watches_was_cancelled() {
        let (cancel, other) = (Cancel::default(), Cancel::default());
        let work = || {
            give_up_if_cancelled();
            7
        };
        assert_eq!(until_cancelled(work), Some(7), "nothing is watched");
        cancel.watch();
        other.cancel();
        assert_eq!(until_cancelled(work), Some(7), "another was cancelled");
        cancel.cancel();
        assert_eq!(until_cancelled(work), None);
        let elsewhere = std::thread::spawn(move || until_cancelled(work));
        assert_eq!(elsewhere.join().ok(), Some(Some(7)), "another thread watches nothing");
    }

    #[test]
    fn a_panic_is_not_taken_for_giving_up() {
        let outcome = catch_unwind(|| until_cancelled(|| resume_unwind(Box::new("a fault"))));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"a fault"));
    }
}

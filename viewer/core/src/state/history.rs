//! Back and forward, as in a browser.

/// Places to keep.
const MAX_PLACES: usize = 200;

/// The places that were left, and those that were gone back from.
#[derive(Debug, Clone)]
pub(crate) struct History<T> {
    before: Vec<T>,
    after: Vec<T>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { before: Vec::new(), after: Vec::new() }
    }
}

impl<T: PartialEq> History<T> {
    /// Notes the place that is being left for another.
    pub(crate) fn leave(&mut self, place: T) {
        if self.before.last() == Some(&place) {
            return;
        }
        self.after.clear();
        self.before.push(place);
        if self.before.len() > MAX_PLACES {
            self.before.remove(0);
        }
    }

    /// The place before `here`.
    pub(crate) fn back(&mut self, here: T) -> Option<T> {
        let place = self.before.pop()?;
        self.after.push(here);
        Some(place)
    }

    /// The place that was gone back from.
    pub(crate) fn forward(&mut self, here: T) -> Option<T> {
        let place = self.after.pop()?;
        self.before.push(here);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_and_forward_return_to_the_same_places() {
        let mut history = History::default();
        history.leave(1);
        history.leave(2);
        assert_eq!(history.back(3), Some(2));
        assert_eq!(history.back(2), Some(1));
        assert_eq!(history.back(1), None);
        assert_eq!(history.forward(1), Some(2));
        assert_eq!(history.forward(2), Some(3));
        history.leave(3);
        assert_eq!(history.forward(9), None);
    }

    #[test]
    fn old_places_are_forgotten() {
        let mut history = History::default();
        (0..1000).for_each(|place| history.leave(place));
        assert_eq!(std::iter::from_fn(|| history.back(0)).count(), MAX_PLACES);
    }
}

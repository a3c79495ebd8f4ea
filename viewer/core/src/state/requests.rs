//! The list of requests: sorted, filtered, one of them selected.

use super::RequestColumn;
use crate::analysis::RequestItem;

/// How the list is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RequestList {
    pub(crate) by: RequestColumn,
    pub(crate) is_descending: bool,
    pub(crate) filter: String,
    /// Shortest and longest duration to show, in nanoseconds.
    pub(crate) brush: Option<(u64, u64)>,
    /// Position in the capture's requests.
    pub(crate) selected: Option<usize>,
    /// Positions in the capture's requests, as shown.
    pub(crate) order: Vec<usize>,
}

impl Default for RequestList {
    fn default() -> Self {
        Self {
            by: RequestColumn::Duration,
            is_descending: true,
            filter: String::new(),
            brush: None,
            selected: None,
            order: Vec::new(),
        }
    }
}

impl RequestList {
    /// Sorts and filters anew.
    pub(crate) fn arrange(&mut self, requests: &[RequestItem]) {
        let filter = self.filter.to_lowercase();
        let is_shown = |request: &RequestItem| {
            let len = request.range.len_ns();
            let in_brush = self.brush.is_none_or(|(low, high)| (low..=high).contains(&len));
            in_brush && (filter.is_empty() || matches(request, &filter))
        };
        self.order =
            (0..requests.len()).filter(|at| requests.get(*at).is_some_and(is_shown)).collect();
        let by = self.by;
        // What a request does not have comes last, whichever way the list is sorted.
        let number = |at: &usize| requests.get(*at).and_then(|request| value(request, by));
        match (by, self.is_descending) {
            (RequestColumn::Request, is_descending) => {
                self.order.sort_by(|a, b| requests[*a].id.cmp(&requests[*b].id));
                if is_descending {
                    self.order.reverse();
                }
            }
            (_, true) => self.order.sort_by_key(|at| std::cmp::Reverse(number(at))),
            (_, false) => self.order.sort_by_key(|at| (number(at).is_none(), number(at))),
        }
    }

    /// The request `by` places further in the list; the first one when none is selected.
    pub(crate) fn neighbour(&self, by: i64) -> Option<usize> {
        let Some(selected) = self.selected else { return self.order.first().copied() };
        let Some(at) = self.order.iter().position(|at| *at == selected) else {
            return self.order.first().copied();
        };
        let last = self.order.len().checked_sub(1)? as i64;
        self.order.get((at as i64 + by).clamp(0, last) as usize).copied()
    }
}

/// The number a column sorts by.
pub(crate) fn value(request: &RequestItem, by: RequestColumn) -> Option<i128> {
    let number = |ns: Option<u64>| ns.map(i128::from);
    match by {
        RequestColumn::Request => None,
        RequestColumn::Start => Some(i128::from(request.range.start_ns())),
        RequestColumn::Duration => Some(i128::from(request.range.len_ns())),
        RequestColumn::Ttft => number(request.ttft_ns),
        RequestColumn::Tpot => number(request.tpot_ns),
        RequestColumn::Queue => number(request.queue_ns),
        RequestColumn::Gpu => number(request.gpu_ns),
    }
}

fn matches(request: &RequestItem, filter: &str) -> bool {
    request.id.to_lowercase().contains(filter)
        || request.model.to_lowercase().contains(filter)
        || request.trace_id.is_some_and(|id| format!("{id:032x}").contains(filter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::TimeRange;

    fn request(id: &str, start: i64, len: i64, ttft_ns: Option<u64>) -> RequestItem {
        RequestItem {
            bar: None,
            id: id.to_owned(),
            trace_id: None,
            span_id: None,
            range: TimeRange::from_ns(start, start + len),
            ttft_ns,
            tpot_ns: None,
            queue_ns: None,
            gpu_ns: None,
            model: Default::default(),
            is_error: false,
            parts: Vec::new(),
            steps: Vec::new(),
        }
    }

    #[test]
    fn the_list_is_sorted_and_what_is_unknown_comes_last() {
        let requests = [
            request("a", 0, 100, None),
            request("b", 5, 300, Some(7)),
            request("c", 9, 200, Some(9)),
        ];
        let mut list = RequestList::default();
        list.arrange(&requests);
        assert_eq!(list.order, [1, 2, 0]);
        list.by = RequestColumn::Ttft;
        list.arrange(&requests);
        assert_eq!(list.order, [2, 1, 0]);
        list.is_descending = false;
        list.arrange(&requests);
        assert_eq!(list.order, [1, 2, 0]);
        list.brush = Some((150, 250));
        list.arrange(&requests);
        assert_eq!(list.order, [2]);
        list.filter = "A".to_owned();
        list.brush = None;
        list.arrange(&requests);
        assert_eq!(list.order, [0]);
    }

    #[test]
    fn neighbours_stop_at_the_ends() {
        let mut list = RequestList { order: vec![4, 2, 7], ..RequestList::default() };
        assert_eq!(list.neighbour(1), Some(4));
        list.selected = Some(2);
        assert_eq!((list.neighbour(1), list.neighbour(-1)), (Some(7), Some(4)));
        assert_eq!(list.neighbour(100), Some(7));
        list.selected = Some(99);
        assert_eq!(list.neighbour(1), Some(4));
        list.order.clear();
        assert_eq!(list.neighbour(1), None);
    }
}

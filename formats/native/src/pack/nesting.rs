//! Times of rows that lie within one another: the boundaries of each key (thread, stream) in turn.
//!
//! On one key rows begin inside the row before or behind its end. So a row is told by how many rows
//! end before it starts, by the gap from the last boundary to its start, and by the gap from the
//! last boundary within it (the end of its last child) to its end. Any rows can be told that way;
//! those that do not nest only have larger numbers.

use std::collections::HashMap;

use crate::codec::Bits;

/// What tells the times of rows; the columns are equally long.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    /// Rows of the same key that end before the row starts.
    pub(super) ended: Vec<u64>,
    /// Zigzag gap between the last boundary of the key and the start.
    pub(super) lead: Vec<u64>,
    /// Zigzag gap between the last boundary in the row and its end.
    pub(super) tail: Vec<u64>,
}

/// What the numbers of ended rows alone say.
#[derive(Debug)]
pub(super) struct Neighbours {
    /// The row whose start or end is the last boundary before a row's start.
    pub(super) before: Vec<Option<usize>>,
    /// The row whose end is the last boundary before a row's end; none when it has no children.
    pub(super) last_child: Vec<Option<usize>>,
}

/// One key while its rows are gone through.
#[derive(Debug, Default)]
struct Open {
    rows: Vec<usize>,
    boundary: u64,
}

impl Nesting {
    pub(super) fn of(keys: &[u64], starts: &[u64], durations: &[u64]) -> Self {
        let n_rows = starts.len();
        let mut nesting = Self { tail: vec![0; n_rows], ..Self::default() };
        let mut open = HashMap::<u64, Open>::new();
        let first = starts.first().copied().unwrap_or_default();
        let end_of = |row: usize| starts[row].wrapping_add(durations[row]);
        for (row, (key, start)) in keys.iter().zip(starts).enumerate() {
            let open =
                open.entry(*key).or_insert_with(|| Open { boundary: first, ..Open::default() });
            let mut ended = 0;
            while let Some(top) = open.rows.pop_if(|top| end_of(*top) as i64 <= *start as i64) {
                nesting.tail[top] = end_of(top).zigzag_from(open.boundary);
                open.boundary = end_of(top);
                ended += 1;
            }
            nesting.ended.push(ended);
            nesting.lead.push(start.zigzag_from(open.boundary));
            open.boundary = *start;
            open.rows.push(row);
        }
        for mut open in open.into_values() {
            while let Some(top) = open.rows.pop() {
                nesting.tail[top] = end_of(top).zigzag_from(open.boundary);
                open.boundary = end_of(top);
            }
        }
        nesting
    }

    /// The starts and durations; `first` is the first start.
    pub(super) fn undo(&self, keys: &[u64], first: u64) -> (Vec<u64>, Vec<u64>) {
        let mut starts = vec![0; keys.len()];
        let mut durations = vec![0; keys.len()];
        let mut open = HashMap::<u64, Open>::new();
        for (row, key) in keys.iter().enumerate() {
            let open =
                open.entry(*key).or_insert_with(|| Open { boundary: first, ..Open::default() });
            for _ in 0..self.ended[row] {
                let Some(top) = open.rows.pop() else { break };
                let end = self.tail[top].undo_zigzag(open.boundary);
                durations[top] = end.wrapping_sub(starts[top]);
                open.boundary = end;
            }
            starts[row] = self.lead[row].undo_zigzag(open.boundary);
            open.boundary = starts[row];
            open.rows.push(row);
        }
        for mut open in open.into_values() {
            while let Some(top) = open.rows.pop() {
                let end = self.tail[top].undo_zigzag(open.boundary);
                durations[top] = end.wrapping_sub(starts[top]);
                open.boundary = end;
            }
        }
        (starts, durations)
    }
}

impl Neighbours {
    pub(super) fn of(keys: &[u64], ended: &[u64]) -> Self {
        let mut neighbours =
            Self { before: vec![None; keys.len()], last_child: vec![None; keys.len()] };
        let mut open = HashMap::<u64, Vec<usize>>::new();
        for (row, (key, ended)) in keys.iter().zip(ended).enumerate() {
            let open = open.entry(*key).or_default();
            let mut before = open.last().copied();
            for _ in 0..*ended {
                let Some(top) = open.pop() else { break };
                before = Some(top);
                if let Some(parent) = open.last() {
                    neighbours.last_child[*parent] = Some(top);
                }
            }
            neighbours.before[row] = before;
            open.push(row);
        }
        for mut open in open.into_values() {
            while let Some(top) = open.pop() {
                if let Some(parent) = open.last() {
                    neighbours.last_child[*parent] = Some(top);
                }
            }
        }
        neighbours
    }
}

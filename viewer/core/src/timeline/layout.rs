//! Which rows stand where.

use std::collections::HashSet;

use crate::document::{Row, RowKind};

/// A row and where it stands, in points from the top of all rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PlacedRow {
    /// Position of the row in the document.
    pub(crate) row: usize,
    pub(crate) top: f32,
    pub(crate) height: f32,
    /// Whether it is held at the top while the others scroll.
    pub(crate) is_pinned: bool,
}

/// Heights in points.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowHeights {
    pub(crate) group: f32,
    pub(crate) lane: f32,
    pub(crate) counter: f32,
    pub(crate) gap: f32,
}

impl Default for RowHeights {
    fn default() -> Self {
        Self { group: 20.0, lane: 16.0, counter: 34.0, gap: 4.0 }
    }
}

/// What the user chose about rows, by row id.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowChoices<'a> {
    pub(crate) collapsed: Option<&'a HashSet<String>>,
    pub(crate) hidden: Option<&'a HashSet<String>>,
}

/// Places the rows in `order` (positions in `rows`), pinned ones first. A row is left out when it
/// or a heading above it is hidden, when a heading above it is collapsed, or when `is_wanted` says
/// so; a heading without any row is left out too. `lanes` tells how many lanes a row has.
pub(crate) fn place(
    rows: &[Row],
    order: &[usize],
    choices: &RowChoices<'_>,
    pinned: &[String],
    heights: RowHeights,
    is_wanted: impl Fn(&Row) -> bool,
    lanes: impl Fn(usize) -> usize,
) -> Vec<PlacedRow> {
    let has = |set: Option<&HashSet<String>>, id: &str| set.is_some_and(|set| set.contains(id));
    let is_shown = |at: usize| {
        let Some(row) = rows.get(at) else { return false };
        if has(choices.hidden, &row.id) || row.kind != RowKind::Group && !is_wanted(row) {
            return false;
        }
        let mut above = row.parent;
        while let Some(group) = above.and_then(|at| rows.get(at)) {
            if has(choices.hidden, &group.id) || has(choices.collapsed, &group.id) {
                return false;
            }
            above = group.parent;
        }
        true
    };
    let has_wanted_child = |at: usize| {
        rows.iter()
            .any(|row| row.parent == Some(at) && !has(choices.hidden, &row.id) && is_wanted(row))
    };
    let height = |at: usize| match rows.get(at) {
        Some(Row { kind: RowKind::Group, .. }) | None => heights.group,
        Some(Row { kind: RowKind::Counter(_), .. }) => heights.counter + heights.gap,
        Some(row) if has(choices.collapsed, &row.id) => heights.lane + heights.gap,
        Some(_) => heights.lane * lanes(at).max(1) as f32 + heights.gap,
    };
    let is_pinned = |row: &Row| pinned.contains(&row.id);
    let mut placed = Vec::new();
    let mut top = 0.0;
    let mut put = |row: usize, is_pinned: bool| {
        let height = height(row);
        placed.push(PlacedRow { row, top, height, is_pinned });
        top += height;
    };
    for id in pinned {
        if let Some(at) = rows.iter().position(|row| row.id == *id) {
            put(at, true);
        }
    }
    for at in order {
        let Some(row) = rows.get(*at) else { continue };
        let is_empty_group = row.kind == RowKind::Group && !has_wanted_child(*at);
        if !is_pinned(row) && is_shown(*at) && !is_empty_group {
            put(*at, false);
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::TableKind;

    fn rows() -> Vec<Row> {
        let row = |id: &str, kind, parent| Row {
            id: id.to_owned(),
            title: id.to_owned(),
            kind,
            parent,
            level: 0,
            n_events: 1,
            busy_ns: 0,
        };
        let events = |track| RowKind::Events { track, table: TableKind::Kernel };
        vec![
            row("gpu", RowKind::Group, None),
            row("a", events(0), Some(0)),
            row("b", events(1), Some(0)),
            row("cpu", RowKind::Group, None),
            row("c", events(2), Some(3)),
        ]
    }

    fn shown(choices: &RowChoices<'_>, pinned: &[&str], filter: &str) -> Vec<String> {
        let rows = rows();
        let pinned: Vec<String> = pinned.iter().map(|id| (*id).to_owned()).collect();
        let order: Vec<usize> = (0..rows.len()).collect();
        let wanted = |row: &Row| row.id.contains(filter);
        let placed = place(&rows, &order, choices, &pinned, RowHeights::default(), wanted, |_| 2);
        for pair in placed.windows(2) {
            assert_eq!(pair[0].top + pair[0].height, pair[1].top);
        }
        placed.iter().map(|placed| rows[placed.row].id.clone()).collect()
    }

    #[test]
    fn collapsed_and_hidden_headings_take_their_rows_along() {
        let set: HashSet<String> = ["gpu".to_owned()].into();
        let collapsed = RowChoices { collapsed: Some(&set), hidden: None };
        assert_eq!(shown(&collapsed, &[], ""), ["gpu", "cpu", "c"]);
        let hidden = RowChoices { collapsed: None, hidden: Some(&set) };
        assert_eq!(shown(&hidden, &[], ""), ["cpu", "c"]);
    }

    #[test]
    fn pinned_rows_come_first_and_once() {
        assert_eq!(shown(&RowChoices::default(), &["c"], ""), ["c", "gpu", "a", "b", "cpu"]);
    }

    #[test]
    fn a_filter_leaves_no_empty_heading() {
        assert_eq!(shown(&RowChoices::default(), &[], "b"), ["gpu", "b"]);
    }
}

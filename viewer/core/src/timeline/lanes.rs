//! Overlapping events on lanes below each other, so that none hides another.

use super::DrawCell;

/// Lanes of one row; events beyond them are counted as not shown.
pub(crate) const MAX_LANES: usize = 64;

/// Gives every cell, in order of start, the first lane on which it overlaps nothing; nested calls
/// thus stand below their caller. Cells of many events in one pixel go below the innermost event
/// that spans them. Returns the number of lanes and how many events found none; those cells are
/// removed.
pub(crate) fn assign_lanes(cells: &mut Vec<DrawCell>) -> (usize, u64) {
    // Starts and ends of the latest single event on each lane.
    let mut lanes: Vec<(i64, i64)> = Vec::new();
    let mut n_lanes = 1;
    let mut n_left_out = 0;
    cells.sort_by_key(|cell| (cell.start_ns, std::cmp::Reverse(cell.end_ns)));
    cells.retain_mut(|cell| {
        let lane = if cell.row.is_some() || !cell.is_pixel {
            let free = lanes.iter().position(|(_, end)| *end <= cell.start_ns);
            let lane = free.unwrap_or(lanes.len());
            match lanes.get_mut(lane) {
                Some(of) => *of = (cell.start_ns, cell.end_ns),
                None if lane < MAX_LANES => lanes.push((cell.start_ns, cell.end_ns)),
                None => {
                    n_left_out += cell.events;
                    return false;
                }
            }
            lane
        } else {
            let spans = |(start, end): &(i64, i64)| *start <= cell.start_ns && *end >= cell.end_ns;
            lanes.iter().rposition(spans).map_or(0, |lane| lane + 1).min(MAX_LANES - 1)
        };
        cell.lane = lane as u8;
        n_lanes = n_lanes.max(lane + 1);
        true
    });
    (n_lanes, n_left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::TableKind;

    fn cell(start_ns: i64, end_ns: i64, row: Option<u64>) -> DrawCell {
        DrawCell {
            start_ns,
            end_ns,
            busy: 1.0,
            events: if row.is_some() { 1 } else { 7 },
            name: 0,
            table: TableKind::Kernel,
            row,
            is_pixel: row.is_none(),
            lane: 0,
        }
    }

    fn lanes(cells: &[(i64, i64, bool)]) -> Vec<u8> {
        let mut cells: Vec<_> = cells
            .iter()
            .enumerate()
            .map(|(at, (start, end, is_single))| cell(*start, *end, is_single.then_some(at as u64)))
            .collect();
        assign_lanes(&mut cells);
        cells.iter().map(|cell| cell.lane).collect()
    }

    #[test]
    fn nested_calls_stand_below_their_callers() {
        assert_eq!(
            lanes(&[(0, 100, true), (10, 50, true), (20, 30, true), (60, 90, true)]),
            [0, 1, 2, 1]
        );
    }

    #[test]
    fn kernels_that_overlap_by_a_moment_alternate() {
        assert_eq!(
            lanes(&[(0, 10, true), (9, 20, true), (19, 30, true), (30, 40, true)]),
            [0, 1, 0, 0]
        );
    }

    #[test]
    fn many_events_in_a_pixel_stand_below_what_spans_them() {
        assert_eq!(lanes(&[(0, 100, true), (10, 12, false), (120, 122, false)]), [0, 1, 0]);
    }

    #[test]
    fn nothing_overlaps_on_a_lane_and_what_finds_none_is_counted() {
        let mut cells: Vec<_> = (0..100).map(|at| cell(at, 1000, Some(at as u64))).collect();
        let (n_lanes, n_left_out) = assign_lanes(&mut cells);
        assert_eq!((n_lanes, n_left_out, cells.len()), (MAX_LANES, 36, MAX_LANES));
    }
}

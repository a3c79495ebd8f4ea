//! A stretch of a capture.

use std::collections::HashSet;

use crate::tables::Table;
use crate::{ColumnMut, Timeline};

impl Timeline {
    /// Keeps what happened between two times, `end_ns` excluded: rows that reach into the stretch,
    /// whole, and the members of steps that stay. Lists without times stay as they are.
    pub fn keep_between(&mut self, start_ns: i64, end_ns: i64) {
        for table in self.tables_mut() {
            if let Some(keep) = reaching_into(table, start_ns, end_ns) {
                keep_rows(table, &keep);
            }
        }
        let steps: HashSet<(u32, u64)> =
            self.steps.process.iter().copied().zip(self.steps.step_id.iter().copied()).collect();
        let members = &self.step_members;
        let of_kept = members.process.iter().zip(&members.step_id);
        let keep: Vec<bool> =
            of_kept.map(|(process, step)| steps.contains(&(*process, *step))).collect();
        keep_rows(&mut self.step_members, &keep);
    }
}

/// Which rows of a table with times reach into the stretch.
fn reaching_into(table: &dyn Table, start_ns: i64, end_ns: i64) -> Option<Vec<bool>> {
    let starts = table.start_column()?;
    let durations = table.duration_column();
    let keep = starts.iter().enumerate().map(|(at, start)| {
        let duration = durations.and_then(|durations| durations.get(at)).copied().unwrap_or(0);
        let end = start.saturating_add_unsigned(duration);
        *start < end_ns && (end > start_ns || *start >= start_ns)
    });
    Some(keep.collect())
}

fn keep_rows(table: &mut dyn Table, keep: &[bool]) {
    for column in table.columns_mut() {
        match column {
            ColumnMut::U8(values) => retain(values, keep),
            ColumnMut::U32(values) => retain(values, keep),
            ColumnMut::U64(values) => retain(values, keep),
            ColumnMut::I64(values) => retain(values, keep),
            ColumnMut::F64(values) => retain(values, keep),
        }
    }
}

fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter().copied();
    values.retain(|_| keep.next().unwrap_or(false));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Counter, Kernel, Step, StepMember};

    #[test]
    fn rows_that_reach_into_the_stretch_stay() {
        let mut t = Timeline::new();
        for (start_ns, duration_ns) in [(0, 10), (0, 11), (10, 0), (19, 50), (20, 1)] {
            t.kernels.push(Kernel { start_ns, duration_ns, ..Kernel::default() });
        }
        for time_ns in [9, 10, 20] {
            t.counters.push(Counter { time_ns, ..Counter::default() });
        }
        for (step_id, start_ns) in [(1, 0), (2, 12)] {
            t.steps.push(Step { step_id, start_ns, duration_ns: 5, ..Step::default() });
            t.step_members.push(StepMember { step_id, ..StepMember::default() });
        }
        t.keep_between(10, 20);
        assert_eq!(t.kernels.start_ns, [0, 10, 19]);
        assert_eq!(t.counters.time_ns, [10]);
        assert_eq!((t.steps.step_id, t.step_members.step_id), (vec![2], vec![2]));
    }
}

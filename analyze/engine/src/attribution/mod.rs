//! How much device work of each category lies within a span of time, for very many spans.
//!
//! The time of an interval `[start, end)` before an instant `t` is `(t - start)` if it has started
//! less `(t - end)` if it has ended. So starts and ends are kept apart, each in order, with running
//! sums per category at every 256th; a span costs four short scans, however much work it holds
//! and however work overlaps. The result is exact.

mod edges;

use rayon::prelude::*;
use underspan_model::{DurationNs, Interval, Timeline};

use crate::{DeviceWork, WorkItem};
use edges::{Edges, sort_nearly_sorted};

/// An index over device work that answers "how much of each category within this span".
#[derive(Debug, Clone)]
pub struct WorkAttribution {
    starts: Edges,
    ends: Edges,
    n_categories: usize,
}

impl WorkAttribution {
    /// Indexes the duration of every item: work that runs at the same time counts as often as it
    /// runs. `category_of` gives a category below `n_categories`, or `None` for work to leave
    /// out.
    ///
    /// # Panics
    /// When `n_categories` is 0 or above 256, or a category is not below it.
    pub fn of_durations(
        timeline: &Timeline,
        n_categories: usize,
        category_of: impl Fn(&WorkItem) -> Option<u8> + Sync,
    ) -> Self {
        let work = DeviceWork::of(timeline);
        let parts: Vec<Parts> = work
            .chunks(1)
            .par_iter()
            .map(|chunk| {
                let mut parts = Parts::default();
                work.for_each_in(chunk, |item| {
                    if let Some(category) = category_of(&item) {
                        parts.starts.push(item.start_ns);
                        parts.categories.push(category);
                        parts.ends.push((item.end_ns, category));
                    }
                });
                parts
            })
            .collect();
        let mut all = Parts::default();
        for part in parts {
            all.starts.extend(part.starts);
            all.categories.extend(part.categories);
            all.ends.extend(part.ends);
        }
        all.into_index(n_categories)
    }

    /// Indexes the time in which work of a category ran: work of one category that runs at the
    /// same time counts once. Otherwise as [`WorkAttribution::of_durations`].
    ///
    /// # Panics
    /// When `n_categories` is 0 or above 256, or a category is not below it.
    pub fn of_coverage(
        timeline: &Timeline,
        n_categories: usize,
        category_of: impl Fn(&WorkItem) -> Option<u8>,
    ) -> Self {
        let mut parts = Parts::default();
        let mut reach = vec![None; n_categories];
        DeviceWork::of(timeline).for_each(|item| {
            let Some(category) = category_of(&item).filter(|_| item.start_ns < item.end_ns) else {
                return;
            };
            let reach = &mut reach[category as usize];
            match *reach {
                Some(covered_to) if item.start_ns <= covered_to => {
                    *reach = Some(item.end_ns.max(covered_to));
                }
                ended => {
                    parts.ends.extend(ended.map(|end_ns| (end_ns, category)));
                    parts.starts.push(item.start_ns);
                    parts.categories.push(category);
                    *reach = Some(item.end_ns);
                }
            }
        });
        for (category, reach) in reach.into_iter().enumerate() {
            parts.ends.extend(reach.map(|end_ns| (end_ns, category as u8)));
        }
        parts.into_index(n_categories)
    }

    /// Number of categories.
    pub fn n_categories(&self) -> usize {
        self.n_categories
    }

    /// The work within `span`, by category.
    pub fn within(&self, span: Interval) -> Vec<DurationNs> {
        let mut sums = vec![0; self.n_categories];
        self.add_within(span, &mut sums);
        sums.into_iter().map(DurationNs::from_ns).collect()
    }

    /// The work within each of `spans`, which may overlap: one row a span, one column a category.
    pub fn within_each(&self, spans: &[Interval]) -> Vec<DurationNs> {
        let mut sums = vec![0_u64; spans.len() * self.n_categories];
        sums.par_chunks_mut(self.n_categories)
            .zip(spans)
            .with_min_len(256)
            .for_each(|(sums, span)| self.add_within(*span, sums));
        sums.into_iter().map(DurationNs::from_ns).collect()
    }

    fn add_within(&self, span: Interval, sums: &mut [u64]) {
        const PLUS: u64 = 1;
        const MINUS: u64 = u64::MAX;
        let (from, to) = (span.start().as_ns(), span.end().as_ns());
        self.starts.add_elapsed(to, PLUS, sums);
        self.ends.add_elapsed(to, MINUS, sums);
        self.starts.add_elapsed(from, MINUS, sums);
        self.ends.add_elapsed(from, PLUS, sums);
    }
}

/// Starts in order, with their categories, and ends, nearly in order.
#[derive(Default)]
struct Parts {
    starts: Vec<i64>,
    categories: Vec<u8>,
    ends: Vec<(i64, u8)>,
}

impl Parts {
    fn into_index(mut self, n_categories: usize) -> WorkAttribution {
        assert!((1..=256).contains(&n_categories), "from 1 to 256 categories");
        let largest = self.categories.iter().copied().max();
        assert!(
            largest.is_none_or(|largest| usize::from(largest) < n_categories),
            "categories are below their number"
        );
        sort_nearly_sorted(&mut self.ends);
        let base_ns = self.starts.first().copied().unwrap_or(0);
        let (ends, end_categories) = self.ends.into_iter().unzip();
        let edges = |times, categories| Edges::new(times, categories, n_categories, base_ns);
        WorkAttribution {
            starts: edges(self.starts, self.categories),
            ends: edges(ends, end_categories),
            n_categories,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntervalList;
    use crate::trace_builder::TraceBuilder;
    use proptest::prelude::*;
    use underspan_model::{NONE_U32, TimestampNs};

    fn span(start: i64, end: i64) -> Interval {
        Interval::new(TimestampNs::from_ns(start), TimestampNs::from_ns(end))
    }

    fn assert_is_brute_force(
        rows: &[(i64, i64, u32)],
        spans: &[(i64, i64)],
    ) -> Result<(), TestCaseError> {
        let mut trace = TraceBuilder::new();
        for &(start, length, category) in rows {
            trace.kernel("k", start..start.saturating_add(length), category);
        }
        let t = trace.build();
        // Category 4 stands for work to leave out.
        let category = |item: &WorkItem| match t.kernels.correlation_id[item.row as usize] {
            4 => None,
            category => Some(category as u8),
        };
        let durations = WorkAttribution::of_durations(&t, 4, category);
        let coverage = WorkAttribution::of_coverage(&t, 4, category);
        let spans: Vec<_> = spans
            .iter()
            .map(|(start, length)| span(*start, start.saturating_add(*length)))
            .collect();
        let rows: Vec<_> = t.kernels.iter().map(|k| (k.interval(), k.correlation_id)).collect();
        for (found, of) in [(&durations, false), (&coverage, true)] {
            let each = found.within_each(&spans);
            for (span, each) in spans.iter().zip(each.chunks(4)) {
                for category in 0..4 {
                    let parts = rows.iter().filter(|(_, c)| *c == category);
                    let parts: Vec<_> = parts.filter_map(|(i, _)| i.intersection(*span)).collect();
                    let expected = if of {
                        IntervalList::from_sorted(parts).total()
                    } else {
                        parts.into_iter().map(Interval::duration).sum()
                    };
                    prop_assert_eq!(each[category as usize], expected);
                }
                prop_assert_eq!(found.within(*span), each.to_vec());
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn sums_are_those_of_brute_force(
            rows in prop::collection::vec((0..3_000_i64, 0..200_i64, 0..5_u32), 0..900),
            spans in prop::collection::vec((-100..3_300_i64, 0..2_000_i64), 1..20),
        ) {
            assert_is_brute_force(&rows, &spans)?;
        }
    }

    #[test]
    fn the_ends_of_time_and_no_work_are_fine() {
        let far = i64::MAX - 5;
        let rows = [(far, 10, 0), (i64::MIN, 3, 1), (0, 7, 2), (-4, 10, 2)];
        let spans = [(i64::MIN, i64::MAX), (0, i64::MAX), (far - 1, 4), (i64::MIN, 2)];
        assert_is_brute_force(&rows, &spans).expect("equal to brute force");
        assert_is_brute_force(&[], &spans).expect("equal to brute force");
    }

    #[test]
    #[should_panic(expected = "categories are below their number")]
    fn a_category_out_of_range_is_a_mistake_of_the_caller() {
        let mut trace = TraceBuilder::new();
        trace.kernel("k", 0..1, NONE_U32);
        WorkAttribution::of_durations(&trace.build(), 2, |_| Some(2));
    }
}

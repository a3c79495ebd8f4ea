//! How many launches were waiting for the device, over time.
//!
//! A launch waits from the start of its call until its first work starts. A graph launch is one
//! launch, however many kernels it owns.

use rayon::prelude::*;
use underspan_model::{DurationNs, Interval, ProcessId, Timeline, TimestampNs};

use crate::{Correlation, Launch};

/// Launches waiting for the device in one process.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueDepth {
    /// The process.
    pub process: ProcessId,
    /// From the first launch to the start of the last launched work.
    pub window: Interval,
    /// Number of launches.
    pub n_launches: u64,
    /// Most launches waiting at once.
    pub max: u64,
    /// Launches waiting, averaged over the window.
    pub mean: f64,
    /// Time of the window in which nothing waited.
    pub empty: DurationNs,
    /// The window in equal parts.
    pub bins: Vec<DepthBin>,
}

/// Launches waiting in one part of the window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DepthBin {
    /// Most at once.
    pub max: u64,
    /// Averaged over the part.
    pub mean: f64,
}

/// The queue depth of each process that launched work, in order of their ids; of processes the
/// source does not give last.
pub(crate) fn queue_depths(
    timeline: &Timeline,
    correlation: &Correlation,
    n_bins: usize,
) -> Vec<QueueDepth> {
    let n_processes = timeline.dimensions.processes.len();
    let process_of = |launch: &Launch| {
        let thread = timeline.api_calls.thread[launch.call as usize] as usize;
        let process = timeline.dimensions.threads.process.get(thread);
        process.map_or(n_processes, |process| (*process as usize).min(n_processes))
    };
    let call_start = |launch: &Launch| timeline.api_calls.start_ns[launch.call as usize];
    // Work that starts before its call, by an error of the clocks, never waited.
    let waits = |launch: &Launch| call_start(launch) < launch.first_start.as_ns();
    let id_of = |process: usize| match process {
        process if process < n_processes => ProcessId::from_index(process),
        _ => ProcessId::NONE,
    };
    let launches = correlation.launches();
    let mut processes: Vec<Launches> = vec![Launches::default(); n_processes + 1];
    for launch in launches.iter() {
        let process = &mut processes[process_of(&launch)];
        process.n += 1;
        if waits(&launch) {
            let end = launch.first_start.as_ns();
            process.n_waiting += 1;
            process.is_sorted &= process.last_end <= end;
            process.last_end = process.last_end.max(end);
        }
    }

    // Of one process whose work starts in the order of the calls, as on one stream, nothing need
    // be sorted or taken apart.
    let mut with_launches = (0..=n_processes).filter(|process| processes[*process].n > 0);
    if let (Some(only), None) = (with_launches.next(), with_launches.next())
        && processes[only].is_sorted
    {
        let waiting = || launches.iter().filter(waits);
        let ends = waiting().map(|launch| launch.first_start.as_ns());
        let starts = waiting().map(|launch| call_start(&launch));
        return depth(id_of(only), &processes[only], starts, ends, n_bins).into_iter().collect();
    }
    let mut times: Vec<(Vec<i64>, Vec<i64>)> = processes
        .iter()
        .map(|process| {
            (Vec::with_capacity(process.n_waiting), Vec::with_capacity(process.n_waiting))
        })
        .collect();
    for launch in launches.iter().filter(waits) {
        let (starts, ends) = &mut times[process_of(&launch)];
        starts.push(call_start(&launch));
        ends.push(launch.first_start.as_ns());
    }
    times
        .into_par_iter()
        .zip(&processes)
        .enumerate()
        .filter_map(|(process, ((starts, mut ends), launches))| {
            if !launches.is_sorted {
                ends.par_sort_unstable();
            }
            let (starts, ends) = (starts.into_iter(), ends.into_iter());
            depth(id_of(process), launches, starts, ends, n_bins)
        })
        .collect()
}

/// The launches of one process.
#[derive(Debug, Clone)]
struct Launches {
    n: u64,
    n_waiting: usize,
    last_end: i64,
    /// Whether launches cease to wait in the order in which they began to.
    is_sorted: bool,
}

impl Default for Launches {
    fn default() -> Self {
        Self { n: 0, n_waiting: 0, last_end: i64::MIN, is_sorted: true }
    }
}

/// The depth from the instants at which launches begin and cease to wait, both in order.
fn depth(
    process: ProcessId,
    launches: &Launches,
    starts: impl Iterator<Item = i64>,
    ends: impl Iterator<Item = i64>,
    n_bins: usize,
) -> Option<QueueDepth> {
    let (mut starts, mut ends) = (starts.fuse(), ends.fuse());
    let (mut start, mut end) = (starts.next(), ends.next());
    let (first, last) = (start?, launches.last_end);
    let at = TimestampNs::from_ns;
    let window = Interval::new(at(first), at(last));
    let mut sums = Sums::new(first, last, n_bins);
    let mut waiting = 0_u64;
    let mut now = first;
    while let Some(next_end) = end {
        let next = start.map_or(next_end, |start| start.min(next_end));
        sums.add(now, next, waiting);
        now = next;
        // At one instant those that cease come first: they wait no longer.
        while end == Some(now) {
            waiting = waiting.saturating_sub(1);
            end = ends.next();
        }
        while start == Some(now) {
            waiting += 1;
            start = starts.next();
        }
    }
    let length = window.duration().as_ns();
    Some(QueueDepth {
        process,
        window,
        n_launches: launches.n,
        max: sums.max,
        mean: sums.waited as f64 / length as f64,
        empty: DurationNs::from_ns(sums.empty),
        bins: sums.into_bins(),
    })
}

/// Depth times time, over all and per bin.
struct Sums {
    first: i64,
    last: i64,
    waited: u128,
    empty: u64,
    max: u64,
    bins: Vec<(u64, u128)>,
    /// The bin in which the last stretch ended, and where it ends itself.
    bin: usize,
    bin_end: i64,
}

impl Sums {
    fn new(first: i64, last: i64, n_bins: usize) -> Self {
        let mut sums = Self {
            first,
            last,
            waited: 0,
            empty: 0,
            max: 0,
            bins: vec![(0, 0); n_bins],
            bin: 0,
            bin_end: last,
        };
        sums.bin_end = sums.end_of(0);
        sums
    }

    /// Where a bin ends.
    fn end_of(&self, bin: usize) -> i64 {
        let length = self.last.wrapping_sub(self.first) as u64;
        let n_bins = self.bins.len().max(1) as u128;
        let offset = u128::from(length) * (bin as u128 + 1) / n_bins;
        self.first.wrapping_add(offset as i64)
    }

    /// Counts `depth` launches from `from` to `to`; stretches come one after another.
    #[inline]
    fn add(&mut self, from: i64, to: i64, depth: u64) {
        if from >= to {
            return;
        }
        let length = to.wrapping_sub(from) as u64;
        let waited = u128::from(length) * u128::from(depth);
        self.waited += waited;
        self.max = self.max.max(depth);
        if depth == 0 {
            self.empty += length;
        }
        if to < self.bin_end
            && let Some((max, waited_in_bin)) = self.bins.get_mut(self.bin)
        {
            *max = depth.max(*max);
            *waited_in_bin += waited;
        } else {
            self.add_over_bins(from, to, depth);
        }
    }

    /// Divides a stretch among the bins it reaches into.
    fn add_over_bins(&mut self, mut from: i64, to: i64, depth: u64) {
        while from < to && self.bin < self.bins.len() {
            let until = to.min(self.bin_end);
            let (max, waited) = &mut self.bins[self.bin];
            if until > from {
                *max = depth.max(*max);
                *waited += u128::from(until.wrapping_sub(from) as u64) * u128::from(depth);
            }
            from = until;
            if until == self.bin_end {
                self.bin += 1;
                self.bin_end = self.end_of(self.bin);
            }
        }
    }

    fn into_bins(self) -> Vec<DepthBin> {
        let mut from = self.first;
        (0..self.bins.len())
            .map(|bin| {
                let end = self.end_of(bin);
                let length = end.wrapping_sub(from) as u64;
                from = end;
                let (max, waited) = self.bins[bin];
                DepthBin { max, mean: waited as f64 / length.max(1) as f64 }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;
    use proptest::prelude::*;

    fn depths(trace: &TraceBuilder, n_bins: usize) -> Vec<QueueDepth> {
        let t = trace.build();
        queue_depths(&t, &Correlation::of(&t), n_bins)
    }

    #[test]
    fn a_graph_launch_waits_once_until_its_first_kernel() {
        let mut trace = TraceBuilder::new();
        trace
            .api_call("cudaGraphLaunch", 0..5, 1)
            .kernel("a", 10..20, 1)
            .kernel("b", 20..30, 1)
            .launch("c", 4..6, 40..50);
        let depth = depths(&trace, 2).swap_remove(0);
        assert_eq!((depth.n_launches, depth.max), (2, 2));
        assert_eq!(depth.window.duration().as_ns(), 40);
        // One from 0, two from 4, one from 10 to 40.
        assert_eq!(depth.mean, (4.0 + 12.0 + 30.0) / 40.0);
        assert_eq!(
            depth.bins,
            [DepthBin { max: 2, mean: 26.0 / 20.0 }, DepthBin { max: 1, mean: 1.0 }]
        );
    }

    #[test]
    fn processes_are_apart_and_nothing_is_no_queue() {
        let mut trace = TraceBuilder::new();
        assert!(depths(&trace, 4).is_empty());
        trace.launch("a", 0..1, 10..20).process(2).launch("b", 5..6, 7..8);
        let found = depths(&trace, 0);
        let shown: Vec<_> = found.iter().map(|d| (d.process.raw(), d.max, d.bins.len())).collect();
        assert_eq!(shown, [(0, 1, 0), (1, 1, 0)]);
    }

    proptest! {
        #[test]
        fn depth_is_that_of_counting_every_instant(
            launches in prop::collection::vec((0..60_i64, 1..30_i64), 1..30),
            n_bins in 1..6_usize,
        ) {
            let mut trace = TraceBuilder::new();
            for &(start, wait) in &launches {
                trace.launch("k", start..start + 1, start + wait..start + wait + 1);
            }
            let depth = depths(&trace, n_bins).swap_remove(0);
            let (first, last) = (depth.window.start().as_ns(), depth.window.end().as_ns());
            let waiting = |at: i64| {
                launches.iter().filter(|(start, wait)| *start <= at && at < start + wait).count() as u64
            };
            let by_instant: Vec<u64> = (first..last).map(waiting).collect();
            prop_assert_eq!(depth.max, by_instant.iter().copied().max().unwrap_or(0));
            let empty = by_instant.iter().filter(|depth| **depth == 0).count() as u64;
            prop_assert_eq!(depth.empty.as_ns(), empty);
            let sum: u64 = by_instant.iter().sum();
            prop_assert_eq!(depth.mean, sum as f64 / by_instant.len() as f64);
            let length = by_instant.len();
            for (bin, found) in depth.bins.iter().enumerate() {
                let part = &by_instant[length * bin / n_bins..length * (bin + 1) / n_bins];
                prop_assert_eq!(found.max, part.iter().copied().max().unwrap_or(0));
                let mean = part.iter().sum::<u64>() as f64 / part.len().max(1) as f64;
                prop_assert_eq!(found.mean, mean);
            }
        }
    }
}

//! Several workers on one device: what one does makes the others wait, or slower.

use underspan_engine::Analysis;

use crate::replay::{Removal, Schedule};

/// What a removal takes out of each run with what it takes out of the runs of other lanes at the
/// same time: they share the device, so that work of one makes the others wait. Where kernels of
/// several run at once instead, each takes longer for it already: only the part `waits` of their time
/// is waiting.
pub(crate) fn spread(schedule: &Schedule, removal: &Removal, waits: f64) -> Removal {
    let mut spread = removal.clone();
    if !removal.is_device || removal.run_ns.is_empty() {
        return spread;
    }
    for_each_overlap(schedule, |at, of, both_ns| {
        let length = schedule.runs[of].length_ns().max(1);
        let out = removal.run_ns.get(of).copied().unwrap_or(0);
        let own = spread.run_ns.get_mut(at);
        let more = (waits * out as f64 * both_ns as f64 / length as f64) as u64;
        own.into_iter().for_each(|own| *own = own.saturating_add(more));
    });
    spread
}

/// Which part of the time that runs of several lanes overlap their kernels wait for each other's, and
/// do not run beside them.
pub(crate) fn waits_for_others(schedule: &Schedule, analysis: &Analysis) -> f64 {
    let devices = &analysis.occupancy.devices;
    let beside =
        devices.iter().map(|d| d.kernel_time.as_ns().saturating_sub(d.kernel_busy.as_ns()));
    let beside: u64 = beside.sum();
    let mut both = 0;
    // Each pair is seen from both sides.
    for_each_overlap(schedule, |_, _, ns| both += ns);
    if both == 0 { 1.0 } else { (1.0 - 2.0 * beside as f64 / both as f64).clamp(0.0, 1.0) }
}

/// Calls `visit` with every run, another that ran on another lane at the same time, and how long.
fn for_each_overlap(schedule: &Schedule, mut visit: impl FnMut(usize, usize, u64)) {
    let runs = &schedule.runs;
    let longest = runs.iter().map(|run| run.end_ns - run.start_ns).max().unwrap_or(0);
    for (at, run) in runs.iter().enumerate() {
        let first = runs.partition_point(|other| other.start_ns < run.start_ns - longest);
        for (of, other) in runs.iter().enumerate().skip(first) {
            if other.start_ns >= run.end_ns {
                break;
            }
            let both = run.end_ns.min(other.end_ns) - run.start_ns.max(other.start_ns);
            if both > 0 && other.lane != run.lane {
                visit(at, of, both.unsigned_abs());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Run;
    use underspan_engine::AnalysisOptions;
    use underspan_engine::trace_builder::TraceBuilder;

    /// Two workers, each with a run of 100 ns, the second begun 50 ns after the first.
    fn schedule() -> Schedule {
        let run = |lane: u32, start_ns: i64| Run { lane, start_ns, end_ns: start_ns + 100 };
        Schedule { runs: vec![run(0, 0), run(1, 50)], requests: Vec::new() }
    }

    fn waits(kernels: [(u64, std::ops::Range<i64>); 3]) -> f64 {
        let mut trace = TraceBuilder::new();
        for (stream, range) in kernels {
            trace.stream(0, stream).kernel("k", range, 1);
        }
        let timeline = trace.build();
        waits_for_others(&schedule(), &Analysis::of(&timeline, &AnalysisOptions::default()))
    }

    #[test]
    fn kernels_that_run_at_once_do_not_wait_for_each_other() {
        assert_eq!(waits([(7, 0..60), (9, 60..100), (7, 100..150)]), 1.0, "one after the other");
        assert_eq!(waits([(7, 0..100), (9, 50..140), (9, 140..150)]), 0.0, "all the time they can");
        assert_eq!(waits([(7, 0..75), (9, 50..75), (9, 80..150)]), 0.5);
    }

    #[test]
    fn only_the_waiting_of_others_is_taken_out_with_what_they_wait_for() {
        let removal = Removal { run_ns: vec![40, 0], is_device: true, ..Removal::default() };
        let of = |waits: f64| spread(&schedule(), &removal, waits).run_ns;
        assert_eq!([of(1.0), of(0.5), of(0.0)], [vec![40, 20], vec![40, 10], vec![40, 0]]);
        let of_host = Removal { is_device: false, ..removal };
        assert_eq!(spread(&schedule(), &of_host, 1.0).run_ns, vec![40, 0]);
    }
}

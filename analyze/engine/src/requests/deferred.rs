//! When an engine put requests off although it had room for them.
//!
//! vLLM counts the requests that wait by reason: `capacity` for those that the batch has no room
//! for, `deferred` for those that wait for something else (an adapter's budget, a transfer of KV
//! blocks, a grammar being compiled). Whose reason is whose it does not say: only while all that
//! wait are deferred is it known of each.

use std::collections::BTreeMap;

use underspan_model::{StringId, Timeline};

/// The gauge, <https://github.com/vllm-project/vllm> `vllm/v1/metrics/loggers.py`.
const GAUGE: &str = "vllm:num_requests_waiting_by_reason{";
/// Samples further apart than this say nothing of the time between them: waits are shorter.
const FARTHEST_NS: u64 = 5_000_000_000;

/// A stretch of time in which every request that waited was put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deferral {
    pub(super) start: i64,
    pub(super) end: i64,
    /// Row of the sample at its start that counts them.
    pub(super) row: u32,
}

/// How many requests waited at one instant, and why, over all engines.
#[derive(Debug, Default, Clone, Copy)]
struct Sample {
    n_deferred: f64,
    n_other: f64,
    row: u32,
}

/// The stretches of a capture, apart and in order. Each lies between two samples that say the same.
pub(super) fn deferrals(timeline: &Timeline) -> Vec<Deferral> {
    let tracks = &timeline.dimensions.counter_tracks;
    let is_deferred: Vec<Option<bool>> = tracks
        .name
        .iter()
        .map(|name| {
            let name = timeline.strings.resolve_or_empty(StringId::from_raw(*name));
            let labels = name.strip_prefix(GAUGE)?;
            labels.contains("reason=").then(|| labels.contains("reason=\"deferred\""))
        })
        .collect();
    if is_deferred.iter().all(|deferred| *deferred != Some(true)) {
        return Vec::new();
    }
    let mut samples: BTreeMap<i64, Sample> = BTreeMap::new();
    for (row, counter) in timeline.counters.iter().enumerate() {
        let Some(Some(deferred)) = is_deferred.get(counter.track as usize) else { continue };
        let sample = samples.entry(counter.time_ns).or_default();
        if *deferred {
            sample.n_deferred += counter.value;
            sample.row = row as u32;
        } else {
            sample.n_other += counter.value;
        }
    }
    let all_deferred = |sample: &Sample| sample.n_deferred > 0.0 && sample.n_other == 0.0;
    let samples: Vec<(i64, Sample)> = samples.into_iter().collect();
    let mut found: Vec<Deferral> = Vec::new();
    for pair in samples.windows(2) {
        let ((start, first), (end, second)) = (pair[0], pair[1]);
        if all_deferred(&first) && all_deferred(&second) && start.abs_diff(end) <= FARTHEST_NS {
            found.push(Deferral { start, end, row: first.row });
        }
    }
    found
}

/// The stretches that reach into `[from, to)`.
pub(super) fn within_of(deferrals: &[Deferral], from: i64, to: i64) -> &[Deferral] {
    let first = deferrals.partition_point(|deferral| deferral.end <= from);
    let last = deferrals.partition_point(|deferral| deferral.start < to);
    deferrals.get(first..last).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::{Counter, CounterTrack};

    /// Scrapes at whole seconds: requests deferred, and waiting for capacity.
    fn scraped(samples: &[(i64, f64, f64)]) -> Timeline {
        let mut timeline = Timeline::new();
        for reason in ["capacity", "deferred"] {
            let name = format!("{GAUGE}engine=\"0\",model_name=\"m\",reason=\"{reason}\"}}");
            let name = timeline.strings.intern(&name).raw();
            timeline
                .dimensions
                .counter_tracks
                .push(CounterTrack { name, ..CounterTrack::default() });
        }
        for (second, deferred, capacity) in samples {
            for (track, value) in [(0, *capacity), (1, *deferred)] {
                let time_ns = second * 1_000_000_000;
                timeline.counters.push(Counter { time_ns, track, value });
            }
        }
        timeline
    }

    fn seconds(timeline: &Timeline) -> Vec<(i64, i64, u32)> {
        let whole = |ns: i64| ns / 1_000_000_000;
        let found = deferrals(timeline);
        found.iter().map(|d| (whole(d.start), whole(d.end), d.row)).collect()
    }

    #[test]
    fn requests_are_deferred_while_all_that_wait_are() {
        let samples = [
            (0, 0.0, 0.0),
            (1, 2.0, 0.0),
            (2, 2.0, 0.0),
            (3, 1.0, 0.0),
            (4, 1.0, 3.0),
            (5, 1.0, 0.0),
        ];
        assert_eq!(seconds(&scraped(&samples)), [(1, 2, 3), (2, 3, 5)]);
        let found = deferrals(&scraped(&samples));
        assert_eq!(within_of(&found, 2_500_000_000, 9_000_000_000), &found[1..]);
        assert_eq!(within_of(&found, 3_000_000_000, 9_000_000_000), []);
    }

    #[test]
    fn samples_far_apart_say_nothing_of_what_lies_between() {
        assert_eq!(seconds(&scraped(&[(0, 1.0, 0.0), (6, 1.0, 0.0)])), []);
        assert_eq!(deferrals(&Timeline::new()), []);
    }
}

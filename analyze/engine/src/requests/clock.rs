//! How well the clocks of the files of a capture agree.

use underspan_model::tables::Table;
use underspan_model::{NONE_I64, NONE_U64, Timeline};

use super::ClockQuality;
use super::discover::Discovery;
use super::engine_time::EngineTime;

/// Two clocks of one machine, both read by programs: reading and storing them takes this long.
const READING_NS: u64 = 1_000;
/// How far the monotonic and the wall clock drift apart, in parts per million, while the wall
/// clock is steered.
const DRIFT_PPM: u64 = 1;

/// What the clocks allow to be said.
pub(super) fn quality(
    timeline: &Timeline,
    found: &Discovery,
    time: &EngineTime<'_>,
) -> ClockQuality {
    let uncertainty_ns = stated(timeline);
    let half_step = time.half_median_step().map(|half| half.as_ns());
    let is_refused = match (uncertainty_ns, half_step) {
        (None, Some(_)) => true,
        (Some(uncertainty), Some(half)) => half > 0 && uncertainty > half,
        _ => false,
    };
    ClockQuality { uncertainty_ns, is_refused, n_impossible_spans: found.n_impossible }
}

/// What the files say about their clocks; `None` when they are on clocks of their own.
fn stated(timeline: &Timeline) -> Option<u64> {
    let mut clocks: Vec<u8> = timeline.dimensions.sources.clock.clone();
    clocks.retain(|clock| *clock != 0);
    clocks.sort_unstable();
    clocks.dedup();
    if clocks.len() > 1 {
        return None;
    }
    let anchors = &timeline.dimensions.clock_anchors;
    let spans = timeline.spans.time_bounds();
    let mut uncertainty = READING_NS;
    for anchor in anchors.iter() {
        if anchor.realtime_ns == NONE_I64 || anchor.monotonic_ns == NONE_I64 {
            continue;
        }
        let read = if anchor.uncertainty_ns == NONE_U64 { 0 } else { anchor.uncertainty_ns };
        let away = spans.map_or(0, |(start, end)| {
            start.abs_diff(anchor.realtime_ns).max(end.abs_diff(anchor.realtime_ns))
        });
        uncertainty = uncertainty.max(read + READING_NS + away / 1_000_000 * DRIFT_PPM);
    }
    Some(uncertainty)
}

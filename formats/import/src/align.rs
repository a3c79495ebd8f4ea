//! Putting captures of several files on one clock.

use underspan_model::tables::{ClockAnchor, Property, Table, TableKind};
use underspan_model::{ClockDomain, NONE_I64, ProblemKind, StringId, Timeline};

/// Moves every timeline to wall-clock time that can be: those that count from a point of their own
/// and say what the wall clock showed there, and those on the monotonic clock when any of the files
/// holds a reading of both clocks. What was moved keeps a record of its own clock.
///
/// When one with times cannot be moved, each source says what clock it is on, and that one gets a
/// line about it, since its times cannot be compared with the others'. A single set of values
/// without a time is put at the end of the others, and says so.
pub(crate) fn align(timelines: &mut [Timeline]) {
    if timelines.len() < 2 {
        return;
    }
    let readings: Vec<ClockAnchor> = timelines
        .iter()
        .flat_map(|timeline| timeline.dimensions.clock_anchors.iter())
        .filter(|reading| reading.realtime_ns != NONE_I64 && reading.monotonic_ns != NONE_I64)
        .collect();
    let is_timed: Vec<bool> = timelines.iter().map(|timeline| bounds(timeline).is_some()).collect();
    let mut is_placed = Vec::with_capacity(timelines.len());
    for timeline in timelines.iter_mut() {
        let delta = to_realtime(timeline, &readings);
        if let Some(delta) = delta {
            move_by(timeline, delta);
        }
        is_placed.push(delta.is_some());
    }
    let end = timelines
        .iter()
        .zip(&is_placed)
        .filter(|(_, is_placed)| **is_placed)
        .filter_map(|(timeline, _)| bounds(timeline))
        .map(|(_, end)| end)
        .max();
    for (at, timeline) in timelines.iter_mut().enumerate() {
        if let Some(end) = end
            && !is_placed[at]
            && is_timed[at]
            && place_at_end(timeline, end)
        {
            is_placed[at] = true;
        }
    }
    let is_common =
        is_placed.iter().zip(&is_timed).all(|(is_placed, is_timed)| *is_placed || !is_timed);
    for (at, timeline) in timelines.iter_mut().enumerate() {
        if is_common {
            timeline.info.clock = ClockDomain::Realtime;
            continue;
        }
        let clock = timeline.info.clock.code();
        for stated in timeline.dimensions.sources.clock.iter_mut().filter(|stated| **stated == 0) {
            *stated = clock;
        }
        if is_timed[at] && !is_placed[at] {
            let name = source_name(timeline);
            timeline.problems.record(ProblemKind::MissingEvidence, &name, 1, || {
                "no wall-clock time: its times cannot be compared with those of the other files"
                    .to_owned()
            });
        }
    }
}

/// Earliest and latest time of a timeline's rows.
fn bounds(timeline: &Timeline) -> Option<(i64, i64)> {
    let tables = timeline.tables();
    let bounds = tables.iter().filter_map(|table| table.time_bounds());
    bounds.reduce(|(start, end), (s, e)| (start.min(s), end.max(e)))
}

/// What to add to a timeline's times to make them wall-clock times; `None` when that is not known,
/// or when its own sources are on several clocks.
fn to_realtime(timeline: &Timeline, readings: &[ClockAnchor]) -> Option<i64> {
    let own = timeline.info.clock.code();
    if timeline.dimensions.sources.clock.iter().any(|clock| *clock != 0 && *clock != own) {
        return None;
    }
    if timeline.info.clock == ClockDomain::Realtime {
        return Some(0);
    }
    let anchors = &timeline.dimensions.clock_anchors;
    let anchor = anchors
        .iter()
        .find(|anchor| anchor.activity_ns != NONE_I64 && anchor.realtime_ns != NONE_I64);
    if let Some(anchor) = anchor {
        return Some(anchor.realtime_ns.saturating_sub(anchor.activity_ns));
    }
    if timeline.info.clock != ClockDomain::Monotonic {
        return None;
    }
    let (start, end) = bounds(timeline)?;
    let middle = start / 2 + end / 2;
    let nearest = readings.iter().min_by_key(|reading| reading.monotonic_ns.abs_diff(middle))?;
    Some(nearest.realtime_ns.saturating_sub(nearest.monotonic_ns))
}

/// Moves a timeline to the wall clock, and writes down where it came from.
fn move_by(timeline: &mut Timeline, delta: i64) {
    let recorded = timeline.info.clock;
    timeline.shift(delta);
    timeline.info.clock = ClockDomain::Realtime;
    timeline.dimensions.sources.clock.fill(0);
    if recorded == ClockDomain::Realtime {
        return;
    }
    for source in 0..timeline.dimensions.sources.len() as u32 {
        let facts = [
            ("clock.recorded", recorded.as_str().to_owned()),
            ("clock.moved_by_ns", delta.to_string()),
        ];
        for (key, value) in facts {
            let key = timeline.strings.intern(key).raw();
            let value = timeline.strings.intern(&value).raw();
            timeline.dimensions.properties.push(Property { source, key, value });
        }
    }
}

/// Puts counter samples that all have one time, whichever that is, at `end`. `false` when the
/// timeline is anything else.
fn place_at_end(timeline: &mut Timeline, end: i64) -> bool {
    let is_other = |table: &&dyn Table| {
        table.kind() != TableKind::Counter && table.start_column().is_some() && !table.is_empty()
    };
    let one_time = bounds(timeline).filter(|(first, last)| first == last).map(|(first, _)| first);
    let is_relative = timeline.info.clock == ClockDomain::SourceRelative;
    let Some(time) = one_time.filter(|_| is_relative) else { return false };
    if timeline.tables().iter().any(is_other) {
        return false;
    }
    timeline.shift(end.saturating_sub(time));
    timeline.info.clock = ClockDomain::Realtime;
    timeline.dimensions.sources.clock.fill(ClockDomain::SourceRelative.code());
    let name = source_name(timeline);
    timeline.problems.record(ProblemKind::MissingEvidence, &name, 1, || {
        "values without a time: put at the end of the other files".to_owned()
    });
    true
}

fn source_name(timeline: &Timeline) -> String {
    let name = timeline.dimensions.sources.name.first().copied().unwrap_or_default();
    timeline.strings.resolve_or_empty(StringId::from_raw(name)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::{Counter, Kernel, Source};

    fn timeline(start_ns: i64, realtime_ns: Option<i64>, clock: ClockDomain) -> Timeline {
        let mut timeline = Timeline::new();
        timeline.info.clock = clock;
        timeline.dimensions.add_source(Source::default());
        timeline.kernels.push(Kernel { start_ns, duration_ns: 1, ..Kernel::default() });
        if let Some(realtime_ns) = realtime_ns {
            let anchor = ClockAnchor { realtime_ns, ..ClockAnchor::default() };
            timeline.dimensions.clock_anchors.push(anchor);
        }
        timeline
    }

    fn starts(timelines: &[Timeline]) -> Vec<i64> {
        timelines.iter().map(|timeline| timeline.kernels.start_ns[0]).collect()
    }

    #[test]
    fn captures_that_know_the_wall_clock_meet_on_it() {
        let mut all = [
            timeline(5, Some(1_000), ClockDomain::SourceRelative),
            timeline(7, Some(2_000), ClockDomain::SourceRelative),
            timeline(2_010, None, ClockDomain::Realtime),
        ];
        align(&mut all);
        assert_eq!(starts(&all), [1_005, 2_007, 2_010]);
        assert!(all.iter().all(|timeline| timeline.info.clock == ClockDomain::Realtime));
    }

    #[test]
    fn one_without_a_wall_clock_stays_where_it_is_and_is_named() {
        let mut all = [
            timeline(5, Some(1_000), ClockDomain::SourceRelative),
            timeline(7, None, ClockDomain::SourceRelative),
        ];
        align(&mut all);
        assert_eq!(starts(&all), [1_005, 7]);
        assert_eq!(all[0].problems.count(ProblemKind::MissingEvidence), 0);
        assert_eq!(all[1].problems.count(ProblemKind::MissingEvidence), 1);
        let clocks = [ClockDomain::Realtime, ClockDomain::SourceRelative].map(ClockDomain::code);
        assert_eq!(all[0].dimensions.sources.clock, [clocks[0]]);
        assert_eq!(all[1].dimensions.sources.clock, [clocks[1]]);
        // Joined and read back, they still cannot be put on one clock with others.
        all[1].dimensions.sources.clock[0] = ClockDomain::Monotonic.code();
        assert_eq!(to_realtime(&all[1], &[]), None);
    }

    #[test]
    fn stamps_of_the_monotonic_clock_move_by_the_nearest_reading_of_any_file() {
        let reading = |realtime_ns, monotonic_ns| ClockAnchor {
            realtime_ns,
            monotonic_ns,
            activity_ns: NONE_I64,
            ..ClockAnchor::default()
        };
        let mut clock = Timeline::new();
        clock.dimensions.clock_anchors.push(reading(50_000, 0));
        clock.dimensions.clock_anchors.push(reading(51_001, 1_000));
        let mut all = [
            timeline(900, None, ClockDomain::Monotonic),
            timeline(50_500, None, ClockDomain::Realtime),
            clock,
        ];
        align(&mut all);
        assert_eq!(all[0].kernels.start_ns, [50_901]);
        assert!(all.iter().all(|timeline| timeline.info.clock == ClockDomain::Realtime));
        assert_eq!(all[0].dimensions.sources.clock, [0]);
        let facts: Vec<_> = all[0]
            .dimensions
            .properties
            .iter()
            .map(|p| {
                [p.key, p.value].map(|id| all[0].strings.resolve_or_empty(StringId::from_raw(id)))
            })
            .collect();
        assert_eq!(facts, [["clock.recorded", "monotonic"], ["clock.moved_by_ns", "50001"]]);
    }

    #[test]
    fn values_without_a_time_go_to_the_end_and_say_so() {
        let mut scrape = Timeline::new();
        scrape.dimensions.add_source(Source::default());
        for value in [1.0, 2.0] {
            scrape.counters.push(Counter { time_ns: 0, track: 0, value });
        }
        let mut all = [timeline(500, None, ClockDomain::Realtime), scrape];
        align(&mut all);
        assert_eq!(all[1].counters.time_ns, [501, 501]);
        assert_eq!(all[1].info.clock, ClockDomain::Realtime);
        assert_eq!(all[1].dimensions.sources.clock, [ClockDomain::SourceRelative.code()]);
        assert_eq!(all[1].problems.count(ProblemKind::MissingEvidence), 1);
    }

    #[test]
    fn a_single_capture_keeps_its_clock() {
        let mut all = [timeline(5, Some(1_000), ClockDomain::SourceRelative)];
        align(&mut all);
        assert_eq!(starts(&all), [5]);
    }
}

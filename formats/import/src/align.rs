//! Putting captures of several files on one clock.

use underspan_model::{ClockDomain, NONE_I64, ProblemKind, Timeline};

/// Moves all timelines to wall-clock time when each of them can be: those that count from a point
/// of their own and say what the wall clock showed there. When one cannot, none is moved; each
/// source then says what clock it is on, and those without a wall clock get a line about it, since
/// their times cannot be compared with the others'.
pub(crate) fn align(timelines: &mut [Timeline]) {
    if timelines.len() < 2 {
        return;
    }
    let deltas: Option<Vec<i64>> = timelines.iter().map(to_realtime).collect();
    if let Some(deltas) = deltas {
        for (timeline, delta) in timelines.iter_mut().zip(deltas) {
            timeline.shift(delta);
            timeline.info.clock = ClockDomain::Realtime;
            timeline.dimensions.sources.clock.fill(0);
        }
        return;
    }
    for timeline in timelines {
        let clock = timeline.info.clock.code();
        for stated in timeline.dimensions.sources.clock.iter_mut().filter(|stated| **stated == 0) {
            *stated = clock;
        }
        if to_realtime(timeline).is_none() {
            let name = source_name(timeline);
            timeline.problems.record(ProblemKind::MissingEvidence, &name, 1, || {
                "no wall-clock time: its times cannot be compared with those of the other files"
                    .to_owned()
            });
        }
    }
}

/// What to add to a timeline's times to make them wall-clock times; `None` when that is not known,
/// or when its own sources are on several clocks.
fn to_realtime(timeline: &Timeline) -> Option<i64> {
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
        .find(|anchor| anchor.activity_ns != NONE_I64 && anchor.realtime_ns != NONE_I64)?;
    Some(anchor.realtime_ns.saturating_sub(anchor.activity_ns))
}

fn source_name(timeline: &Timeline) -> String {
    let name = timeline.dimensions.sources.name.first().copied().unwrap_or_default();
    timeline.strings.resolve_or_empty(underspan_model::StringId::from_raw(name)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::{ClockAnchor, Kernel, Source};

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
    fn one_without_a_wall_clock_leaves_all_where_they_are_and_is_named() {
        let mut all = [
            timeline(5, Some(1_000), ClockDomain::SourceRelative),
            timeline(7, None, ClockDomain::SourceRelative),
        ];
        align(&mut all);
        assert_eq!(starts(&all), [5, 7]);
        assert_eq!(all[0].problems.count(ProblemKind::MissingEvidence), 0);
        assert_eq!(all[1].problems.count(ProblemKind::MissingEvidence), 1);
        assert!(all.iter().all(|timeline| {
            timeline.dimensions.sources.clock == [ClockDomain::SourceRelative.code()]
        }));
        // Joined and read back, they still cannot be put on one clock with others.
        all[0].dimensions.sources.clock[0] = ClockDomain::Monotonic.code();
        assert_eq!(to_realtime(&all[0]), None);
    }

    #[test]
    fn a_single_capture_keeps_its_clock() {
        let mut all = [timeline(5, Some(1_000), ClockDomain::SourceRelative)];
        align(&mut all);
        assert_eq!(starts(&all), [5]);
    }
}

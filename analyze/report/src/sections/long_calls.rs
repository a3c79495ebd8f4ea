//! The API calls in which a device's idle time lies, where a few long ones hold most of it.

use std::collections::BTreeMap;

use underspan_engine::{Analysis, CallKind, Gap, IdleClass};
use underspan_model::{DurationNs, StringId, Timeline};

use super::counted;

/// Least part of the idle time in calls that the named ones hold.
const SHARE_MIN: f64 = 0.5;
/// Shorter calls are launches as usual, and their number is what counts.
const LONG_NS: u64 = 100_000;
/// Rows that are looked at before a launch: calls of other threads stand between.
const ROWS_MAX: usize = 4_096;

/// Calls of one name that hold most of the idle time in which launches were under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LongCalls {
    name: String,
    kind: CallKind,
    n: u64,
    time: DurationNs,
}

impl LongCalls {
    /// The calls, by the longest gaps; `None` when many short ones hold the time.
    pub(crate) fn of(timeline: &Timeline, analysis: &Analysis) -> Option<Self> {
        let idle = analysis.idle.iter().map(|device| device.of_class(IdleClass::Launch));
        let all = idle.sum::<DurationNs>().as_ns();
        let by_name = in_longest_gaps(timeline, analysis);
        let (name, (n, sum)) = by_name.into_iter().max_by_key(|(_, (_, sum))| *sum)?;
        let is_most = sum as f64 >= SHARE_MIN * all as f64 && sum > 0;
        (is_most && sum / n >= LONG_NS).then(|| Self {
            name: timeline.strings.resolve_or_empty(StringId::from_raw(name)).to_owned(),
            kind: analysis.correlation.call_names().kind(name),
            n,
            time: DurationNs::from_ns(sum),
        })
    }

    /// Which calls they are, and what that means.
    pub(crate) fn advice(&self) -> String {
        let Self { name, n, time, .. } = self;
        let calls = format!(" {time} of it lie in {} of {name}", counted(*n, "call"));
        match self.kind {
            CallKind::GraphLaunch => {
                format!("{calls}: the device waits until the whole graph is handed over.")
            }
            _ => format!(
                "{calls}: a few long calls, not many short ones. Calls this long often make ready \
                 what is used for the first time (code, memory, libraries)."
            ),
        }
    }
}

/// What of the time in calls lies in others than launches, where that is most of it, as far as the
/// longest gaps tell.
pub(crate) fn other_calls(timeline: &Timeline, analysis: &Analysis) -> Option<String> {
    let by_name = in_longest_gaps(timeline, analysis);
    let is_launch = |name: &u32| {
        let kind = analysis.correlation.call_names().kind(*name);
        matches!(kind, CallKind::KernelLaunch | CallKind::GraphLaunch)
    };
    let sum_of = |launches: bool| -> u64 {
        let rows = by_name.iter().filter(|(name, _)| is_launch(name) == launches);
        rows.map(|(_, (_, sum))| sum).sum()
    };
    let others = by_name.iter().filter(|(name, _)| !is_launch(name));
    let (name, (_, most)) = others.max_by_key(|(_, (_, sum))| *sum)?;
    (sum_of(false) > sum_of(true)).then(|| {
        format!(
            " In the longest gaps launches took {} and other calls {}: {} in {}.",
            DurationNs::from_ns(sum_of(true)),
            DurationNs::from_ns(sum_of(false)),
            DurationNs::from_ns(*most),
            timeline.strings.resolve_or_empty(StringId::from_raw(*name)),
        )
    })
}

/// How often the launching threads were in calls of a name during the longest gaps, and how long.
fn in_longest_gaps(timeline: &Timeline, analysis: &Analysis) -> BTreeMap<u32, (u64, u64)> {
    let mut by_name: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for gap in analysis.idle.iter().flat_map(|device| &device.longest) {
        if gap.parts[IdleClass::Launch.index()] == DurationNs::ZERO {
            continue;
        }
        for_each_call(timeline, analysis, gap, |name, ns| {
            let (n, sum) = by_name.entry(name).or_default();
            *n += 1;
            *sum += ns;
        });
    }
    by_name
}

/// The calls that the launching thread was in during a gap, with the part of each in it; calls
/// within others and those that wait for the device are left out.
fn for_each_call(
    timeline: &Timeline,
    analysis: &Analysis,
    gap: &Gap,
    mut visit: impl FnMut(u32, u64),
) {
    let calls = &timeline.api_calls;
    let Some(launch) = analysis.correlation.call_of(&gap.next) else { return };
    let thread = calls.thread[launch as usize];
    let (from, mut until) = (gap.interval.start().as_ns(), gap.interval.end().as_ns());
    let mut outer: Vec<(u32, i64, i64)> = Vec::new();
    for row in (0..=launch as usize).rev().take(ROWS_MAX) {
        if calls.thread[row] != thread {
            continue;
        }
        let start = calls.start_ns[row];
        let end = start.saturating_add_unsigned(calls.duration_ns[row]);
        // Rows come backwards: one that ends after those seen encloses them.
        outer.retain(|(_, other, _)| *other >= end);
        if end <= from {
            break;
        }
        outer.push((calls.name[row], start, end));
    }
    for (name, start, end) in outer {
        let (low, high) = (start.max(from), end.min(until));
        until = until.min(start.max(from));
        let is_wait = analysis.correlation.call_names().kind(name) == CallKind::Synchronize;
        if low < high && !is_wait {
            visit(name, (high - low) as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_engine::AnalysisOptions;
    use underspan_engine::trace_builder::TraceBuilder;

    const US: i64 = 1_000;

    fn of(trace: &TraceBuilder) -> Option<LongCalls> {
        let timeline = trace.build();
        LongCalls::of(&timeline, &Analysis::of(&timeline, &AnalysisOptions::default()))
    }

    #[test]
    fn a_long_call_is_named_and_the_one_inside_it_is_not() {
        let mut trace = TraceBuilder::new();
        trace
            .launch("a", 0..5 * US, 6 * US..20 * US)
            .api_call("cudaMalloc", 30 * US..700 * US, 1)
            .api_call("cuMemAlloc", 40 * US..690 * US, 2)
            .launch("b", 710 * US..715 * US, 716 * US..800 * US);
        let found = of(&trace).expect("a long call");
        assert_eq!((found.name.as_str(), found.n), ("cudaMalloc", 1));
        assert_eq!(found.time.as_ns(), 670_000);
        assert!(found.advice().contains("in 1 call of cudaMalloc: a few long calls"));
    }

    #[test]
    fn a_launch_of_a_graph_is_told_of_as_one() {
        let mut trace = TraceBuilder::new();
        trace
            .launch("a", 0..5 * US, 6 * US..20 * US)
            .api_call("cudaGraphLaunch", 25 * US..900 * US, 1)
            .kernel("g", 850 * US..990 * US, 1);
        let advice = of(&trace).expect("a long call").advice();
        assert!(advice.contains("825 µs of it lie in 1 call of cudaGraphLaunch"), "{advice}");
    }

    #[test]
    fn many_short_launches_are_not_long_calls() {
        let mut trace = TraceBuilder::new();
        for at in 0..10 {
            let start = at * 40 * US;
            trace.launch("a", start..start + 20 * US, start + 21 * US..start + 25 * US);
        }
        assert_eq!(of(&trace), None);
    }
}

//! D14: ranks wait in collectives for one of them.

use hashbrown::HashMap;
use underspan_classifier::Role;
use underspan_engine::{Evidence, KernelClasses};
use underspan_model::ShapeId;
use underspan_model::tables::TableKind;

use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{
    largest_steps, out_of_runs, p95_share, percent, ratio, requests_in, step_time, total,
};
use crate::statistics::percentile_of;

/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.08;
/// Least share of the waiting that one rank causes.
const BLAME_MIN: f64 = 0.6;
/// Least share of the time of steps.
const STEPS_MIN: f64 = 0.05;

/// D14.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Straggler;

impl Detector for Straggler {
    fn id(&self) -> &'static str {
        "D14"
    }

    fn title(&self) -> &'static str {
        "collective wait, straggler rank"
    }

    fn layer(&self) -> Layer {
        Layer::Hardware
    }

    fn explanation(&self) -> &'static str {
        "In tensor parallelism every layer ends in a collective that returns when the last rank has \
         joined. A rank that is slower than the others spends the least time in collectives, and all \
         others wait in theirs for it. The wait is the difference between the longest and the \
         shortest duration of one and the same collective over the ranks, and it counts when one \
         rank is the last one most of the time. Durations need no common clock."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        let ranks = collectives(case);
        if ranks.len() < 2 {
            return Detection::MissingInput("traces of several ranks");
        }
        let n = ranks.iter().map(|rank| rank.rows.len()).min().unwrap_or(0);
        if n == 0 {
            return Detection::MissingInput("collectives on several ranks");
        }
        let kernels = &case.timeline.kernels;
        let mut blame = vec![0_u64; ranks.len()];
        let mut excess = vec![0_u64; case.facts.len()];
        let mut evidence = Vec::new();
        for at in 0..n {
            let durations = ranks.iter().map(|rank| kernels.duration_ns[rank.rows[at] as usize]);
            let durations: Vec<u64> = durations.collect();
            let (Some(longest), Some(shortest)) = (durations.iter().max(), durations.iter().min())
            else {
                continue;
            };
            let wait = longest - shortest;
            let last = durations.iter().position(|ns| ns == shortest).unwrap_or(0);
            blame[last] += wait;
            let start = kernels.start_ns[ranks[0].rows[at] as usize];
            if let Some(step) = step_at(case, start) {
                excess[step] += wait;
            }
            if evidence.len() < 6 && wait * 2 > *longest {
                let waiting = durations.iter().position(|ns| ns == longest).unwrap_or(0);
                let row = ranks[waiting].rows[at];
                evidence.push(Evidence { table: TableKind::Kernel, row });
            }
        }
        // Ranks never arrive at once: what a baseline has is natural.
        let natural = case
            .baseline
            .as_deref()
            .map_or(0, |baseline| percentile_of(&waits_per_step(baseline), 50));
        excess.iter_mut().for_each(|ns| *ns = ns.saturating_sub(natural));
        let all = total(&blame);
        let most = (0..blame.len()).max_by_key(|rank| blame[*rank]).unwrap_or(0);
        let blamed = ratio(blame[most], all);
        let of_steps = ratio(total(&excess), step_time(case));
        evidence.extend(largest_steps(&excess));
        let removal = out_of_runs(excess);
        let share = p95_share(case, &removal);
        if share < SHARE_MIN || blamed < BLAME_MIN || of_steps < STEPS_MIN {
            return Detection::Clear(format!(
                "ranks waited for each other {} of the time of steps, for rank {} in {} of it",
                percent(of_steps),
                ranks[most].name,
                percent(blamed)
            ));
        }
        Detection::Found(Box::new(Finding {
            id: "D14",
            summary: format!(
                "the other ranks waited for rank {} {} of the time of steps: it joined last in {} of \
                 the waiting",
                ranks[most].name,
                percent(of_steps),
                percent(blamed)
            ),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade: Grade::Measured,
            evidence,
            counter_evidence: vec![
                "A rank with more work by design (an uneven split, the sampler) joins last too."
                    .to_owned(),
            ],
            remedy: "Look at that rank's GPU: clocks, heat, other processes, its PCIe or NVLink; \
                     exchange it with another and see whether the wait follows."
                .to_owned(),
            setting: None,
            confirm: "Kernel times of that rank against the others', other than collectives."
                .to_owned(),
        }))
    }
}

/// The collectives of one rank, in order.
struct Rank {
    name: String,
    rows: Vec<u32>,
}

fn collectives(case: &Case<'_>) -> Vec<Rank> {
    let classes = KernelClasses::of(case.timeline);
    let kernels = &case.timeline.kernels;
    let dimensions = &case.timeline.dimensions;
    let mut by_rank: HashMap<(u32, u32), Vec<u32>> = HashMap::new();
    for row in 0..kernels.len() {
        let role = classes.of_shape(ShapeId::from_raw(kernels.shape[row])).role.value;
        if role != Role::Collective {
            continue;
        }
        let stream = kernels.stream[row] as usize;
        let place =
            dimensions.streams.process.get(stream).zip(dimensions.streams.device.get(stream));
        if let Some((process, device)) = place {
            by_rank.entry((*process, *device)).or_default().push(row as u32);
        }
    }
    let mut keys: Vec<(u32, u32)> = by_rank.keys().copied().collect();
    keys.sort_unstable();
    keys.into_iter()
        .map(|key| {
            let rank = dimensions.processes.rank.get(key.0 as usize);
            let rank = rank.filter(|rank| **rank != underspan_model::NONE_U32);
            Rank {
                name: rank.map_or_else(|| format!("#{}", key.1), |rank| rank.to_string()),
                rows: by_rank.remove(&key).unwrap_or_default(),
            }
        })
        .collect()
}

/// The waits of each step, for a baseline.
fn waits_per_step(case: &Case<'_>) -> Vec<u64> {
    let ranks = collectives(case);
    let mut waits = vec![0; case.facts.len()];
    let n = ranks.iter().map(|rank| rank.rows.len()).min().unwrap_or(0);
    if ranks.len() < 2 {
        return waits;
    }
    let kernels = &case.timeline.kernels;
    for at in 0..n {
        let durations = ranks.iter().map(|rank| kernels.duration_ns[rank.rows[at] as usize]);
        let (low, high) = durations.fold((u64::MAX, 0), |(l, h), ns| (ns.min(l), ns.max(h)));
        if let Some(step) = step_at(case, kernels.start_ns[ranks[0].rows[at] as usize]) {
            waits[step] += high - low;
        }
    }
    waits
}

fn step_at(case: &Case<'_>, at_ns: i64) -> Option<usize> {
    let runs = &case.schedule.runs;
    let next = runs.partition_point(|run| run.start_ns <= at_ns);
    let step = next.checked_sub(1)?;
    (at_ns < runs[step].end_ns).then_some(step)
}

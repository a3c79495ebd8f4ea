//! What changed between two captures of the same work.
//!
//! Kernels are aligned by role and position in the sequence, not only by name: after an upgrade
//! every GEMM may carry another name and still be the same GEMM.

mod align;
mod group;
mod latency;

use std::collections::BTreeMap;

use underspan_classifier::{Dtype, Role, TensorCore};
use underspan_model::{DurationNs, Timeline};

use crate::Analysis;
use crate::precision::{multiplies, width};
use align::align;
pub use group::{GroupKey, KernelGroup};
pub use latency::{LatencyChange, Quantile, QuantileChange};

/// Kernels without a counterpart that are tried for folding, most time first.
const MAX_FOLDED: usize = 256;

/// One side of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The capture.
    pub timeline: &'a Timeline,
    /// Its analysis.
    pub analysis: &'a Analysis,
}

/// What changed from one capture to another.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureDiff {
    /// Units of work in either: steps where both captures have steps, otherwise one each. Costs are
    /// per unit.
    pub units: [u64; 2],
    /// Kernel time of either.
    pub kernel_time: [DurationNs; 2],
    /// Time of multiplies of either.
    pub matmul_time: [DurationNs; 2],
    /// Roles, largest change first.
    pub roles: Vec<RoleChange>,
    /// Kernels on both sides, largest change first.
    pub matched: Vec<GroupChange>,
    /// Kernels only in the second capture, most time first.
    pub appeared: Vec<KernelGroup>,
    /// Kernels only in the first capture, most time first.
    pub vanished: Vec<KernelGroup>,
    /// Latencies of steps and runs.
    pub latencies: Vec<LatencyChange>,
    /// Median requests of a step, where step labels say.
    pub batch: [Option<u64>; 2],
}

/// Time of one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleChange {
    /// The role.
    pub role: Role,
    /// Time on either side.
    pub total: [DurationNs; 2],
    /// Kernels on either side.
    pub count: [u64; 2],
}

/// One kernel on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// Before.
    pub before: KernelGroup,
    /// After.
    pub after: KernelGroup,
    /// Change of its time per unit of work, in nanoseconds.
    pub cost_ns: i64,
}

impl GroupChange {
    /// Whether a multiply computes in another known type, or on other cores.
    pub fn precision_changed(&self) -> bool {
        let (before, after) = (&self.before, &self.after);
        if !(multiplies(&before.class) && multiplies(&after.class)) {
            return false;
        }
        let types = [before.dtype(), after.dtype()];
        let cores = [before.tensor_core(), after.tensor_core()];
        let other_type = !types.contains(&Dtype::Unknown) && types[0] != types[1];
        let other_cores = !cores.contains(&TensorCore::Unknown) && cores[0] != cores[1];
        other_type || other_cores
    }

    /// Whether the change is a fall to a wider type, or from tensor cores.
    pub fn fell_back(&self) -> bool {
        let wider = match (width(self.before.dtype()), width(self.after.dtype())) {
            (Some(before), Some(after)) if before != after => after > before,
            _ => {
                self.before.tensor_core() == TensorCore::Yes
                    && self.after.tensor_core() == TensorCore::No
            }
        };
        self.precision_changed() && wider
    }

    /// Whether the most used launch has another grid or block.
    pub fn launch_changed(&self) -> bool {
        let known = |group: &KernelGroup| group.block != [0; 3];
        known(&self.before)
            && known(&self.after)
            && (self.before.grid, self.before.block) != (self.after.grid, self.after.block)
    }
}

impl CaptureDiff {
    /// Compares two captures.
    pub fn of(before: Side<'_>, after: Side<'_>) -> Self {
        let sides = [before, after];
        let groups = sides.map(|side| group::groups(&side));
        let n_steps = sides.map(|side| n_steps(side.analysis));
        let units = if n_steps.contains(&0) { [1, 1] } else { n_steps };
        let aligned = align(&groups[0], &groups[1]);
        let mut matched: Vec<GroupChange> = aligned
            .iter()
            .map(|(a, b)| GroupChange {
                before: groups[0][*a].clone(),
                after: groups[1][*b].clone(),
                cost_ns: 0,
            })
            .collect();
        let mut is_matched = [vec![false; groups[0].len()], vec![false; groups[1].len()]];
        for (a, b) in aligned {
            is_matched[0][a] = true;
            is_matched[1][b] = true;
        }
        let mut left = [0, 1].map(|side| {
            let with_match = groups[side].iter().zip(&is_matched[side]);
            let lone = with_match.filter(|(_, is_matched)| !**is_matched);
            let mut left: Vec<KernelGroup> = lone.map(|(group, _)| group.clone()).collect();
            left.sort_by_key(|group| std::cmp::Reverse(group.total));
            left
        });
        for (side, left) in left.iter_mut().enumerate() {
            let mut n_tried = 0;
            left.retain(|group| {
                n_tried += 1;
                n_tried > MAX_FOLDED || !fold(group, side, &mut matched)
            });
        }
        let [vanished, appeared] = left;
        for change in &mut matched {
            let per_unit = |group: &KernelGroup, units: u64| group.total.as_ns() / units.max(1);
            change.cost_ns = per_unit(&change.after, units[1]) as i64
                - per_unit(&change.before, units[0]) as i64;
        }
        matched.sort_by_key(|change| std::cmp::Reverse(change.cost_ns.unsigned_abs()));
        Self {
            units,
            kernel_time: sides.map(|side| side.analysis.precision.total),
            matmul_time: sides.map(|side| side.analysis.precision.matmul),
            roles: role_changes(&sides),
            appeared,
            vanished,
            matched,
            latencies: latency::changes(&sides),
            batch: sides.map(|side| median_batch(side.analysis)),
        }
    }

    /// Multiplies whose precision changed, largest cost first.
    pub fn precision_changes(&self) -> impl Iterator<Item = &GroupChange> {
        self.matched.iter().filter(|change| change.precision_changed())
    }

    /// Share of the second capture's multiply time that fell to a wider type or off tensor cores.
    pub fn fallback_share(&self) -> f64 {
        let fallen = self.precision_changes().filter(|change| change.fell_back());
        let time: u64 = fallen.map(|change| change.after.total.as_ns()).sum();
        time as f64 / self.matmul_time[1].as_ns().max(1) as f64
    }

    /// Kernel time per unit of work, after over before; `None` without kernels before.
    pub fn kernel_time_ratio(&self) -> Option<f64> {
        let [before, after] = [0, 1]
            .map(|side| self.kernel_time[side].as_ns() as f64 / self.units[side].max(1) as f64);
        (before > 0.0).then(|| after / before)
    }
}

/// One kernel for a multiply in one capture may be several in the other, by problem size. A multiply
/// without a counterpart joins the pair of its role and precision whose counts it evens out most.
/// Returns whether there is one.
fn fold(group: &KernelGroup, side: usize, matched: &mut [GroupChange]) -> bool {
    if !multiplies(&group.class) {
        return false;
    }
    let gain = |change: &GroupChange| {
        let pair = [&change.before, &change.after];
        let (own, other) = (pair[side], pair[1 - side]);
        let same = own.key().role == group.key().role
            && own.dtype() == group.dtype()
            && own.tensor_core() == group.tensor_core();
        let apart = own.count.abs_diff(other.count);
        let then = (own.count + group.count).abs_diff(other.count);
        if same { apart.saturating_sub(then) } else { 0 }
    };
    let best = matched
        .iter()
        .map(gain)
        .enumerate()
        .max_by_key(|(at, gain)| (*gain, std::cmp::Reverse(*at)));
    let Some((at, _)) = best.filter(|(_, gain)| *gain > 0) else { return false };
    let change = &mut matched[at];
    let own = if side == 0 { &mut change.before } else { &mut change.after };
    own.count += group.count;
    own.total = [own.total, group.total].into_iter().sum();
    own.n_merged += 1;
    true
}

fn n_steps(analysis: &Analysis) -> u64 {
    let steps = &analysis.steps;
    let n = if steps.serving.is_empty() { steps.profiler.len() } else { steps.serving.len() };
    n as u64
}

fn median_batch(analysis: &Analysis) -> Option<u64> {
    let mut sizes: Vec<u64> =
        analysis.steps.serving.iter().filter_map(|step| step.label.requests).collect();
    sizes.sort_unstable();
    sizes.get(sizes.len().checked_sub(1)? / 2).copied()
}

fn role_changes(sides: &[Side<'_>; 2]) -> Vec<RoleChange> {
    let mut roles: BTreeMap<Role, RoleChange> = BTreeMap::new();
    for (side, capture) in sides.iter().enumerate() {
        for row in &capture.analysis.precision.classes {
            let change = roles.entry(row.role).or_insert(RoleChange {
                role: row.role,
                total: [DurationNs::ZERO; 2],
                count: [0; 2],
            });
            let total = change.total[side].as_ns().saturating_add(row.total.as_ns());
            change.total[side] = DurationNs::from_ns(total);
            change.count[side] += row.count;
        }
    }
    let mut roles: Vec<RoleChange> = roles.into_values().collect();
    roles.sort_by_key(|change| {
        std::cmp::Reverse(change.total[0].as_ns().abs_diff(change.total[1].as_ns()))
    });
    roles
}

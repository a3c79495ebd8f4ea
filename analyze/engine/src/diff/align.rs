//! Which kernel of one capture is which of the other.
//!
//! Equal names first. What is left is aligned as two sequences in the order of first occurrence: a
//! pair must play the same role, and counts for more the more it has in common. Groups beyond the
//! limit, which take next to no time, are compared by name only.

use hashbrown::HashMap;

use super::KernelGroup;

/// Groups aligned by position on each side; the table of scores has the square of it.
const MAX_GROUPS: usize = 1_500;

/// Pairs of positions in `before` and `after`.
pub(super) fn align(before: &[KernelGroup], after: &[KernelGroup]) -> Vec<(usize, usize)> {
    let mut by_name: HashMap<(&str, underspan_classifier::Role), usize> = HashMap::new();
    for (at, group) in after.iter().enumerate() {
        by_name.entry((group.name.as_str(), group.key().role)).or_insert(at);
    }
    let mut pairs = Vec::new();
    let mut is_taken = vec![false; after.len()];
    let mut left = Vec::new();
    for (at, group) in before.iter().enumerate() {
        match by_name.get(&(group.name.as_str(), group.key().role)) {
            Some(&other) if !is_taken[other] => {
                is_taken[other] = true;
                pairs.push((at, other));
            }
            _ => left.push(at),
        }
    }
    let mut right: Vec<usize> = (0..after.len()).filter(|at| !is_taken[*at]).collect();
    keep_largest(&mut left, before);
    keep_largest(&mut right, after);
    let in_order = in_sequence(&left, before, &right, after);
    left.retain(|at| in_order.iter().all(|(a, _)| a != at));
    right.retain(|at| in_order.iter().all(|(_, b)| b != at));
    pairs.extend(in_order);
    pairs.extend(by_time(&left, before, &right, after));
    pairs
}

/// What stands in another order: of equal role and operation, most time with most time.
fn by_time(
    left: &[usize],
    before: &[KernelGroup],
    right: &[usize],
    after: &[KernelGroup],
) -> Vec<(usize, usize)> {
    let sorted = |places: &[usize], groups: &[KernelGroup]| {
        let mut places = places.to_vec();
        places.sort_by_key(|at| (std::cmp::Reverse(groups[*at].total), *at));
        places
    };
    let mut right = sorted(right, after);
    let mut pairs = Vec::new();
    for at in sorted(left, before) {
        let same = |other: &usize| {
            before[at].key() == after[*other].key() && score(&before[at], &after[*other]) > 0
        };
        if let Some(found) = right.iter().position(same) {
            pairs.push((at, right.remove(found)));
        }
    }
    pairs
}

fn keep_largest(places: &mut Vec<usize>, groups: &[KernelGroup]) {
    if places.len() > MAX_GROUPS {
        places.sort_by_key(|at| std::cmp::Reverse(groups[*at].total));
        places.truncate(MAX_GROUPS);
        places.sort_unstable();
    }
}

/// Alignment of highest score (Needleman–Wunsch without a cost for gaps).
fn in_sequence(
    left: &[usize],
    before: &[KernelGroup],
    right: &[usize],
    after: &[KernelGroup],
) -> Vec<(usize, usize)> {
    let columns = right.len() + 1;
    let mut best = vec![0_u32; (left.len() + 1) * columns];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            let skip = best[(i + 1) * columns + j].max(best[i * columns + j + 1]);
            let score = score(&before[left[i]], &after[right[j]]);
            let take = if score > 0 { score + best[(i + 1) * columns + j + 1] } else { 0 };
            best[i * columns + j] = skip.max(take);
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < left.len() && j < right.len() {
        let here = best[i * columns + j];
        let score = score(&before[left[i]], &after[right[j]]);
        if score > 0 && here == score + best[(i + 1) * columns + j + 1] {
            pairs.push((left[i], right[j]));
            i += 1;
            j += 1;
        } else if here == best[(i + 1) * columns + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// How much two groups have in common; zero when they cannot be the same.
fn score(before: &KernelGroup, after: &KernelGroup) -> u32 {
    if before.key().role != after.key().role || is_unknown(before) {
        return 0;
    }
    // Multiplies are called by many names; of pointwise kernels and copies the operation is what
    // they are.
    let same_operation = before.key().operation == after.key().operation;
    if !same_operation && !before.key().role.is_matmul() {
        return 0;
    }
    let similar = |a: u64, b: u64, factor: u64| {
        a <= b.saturating_mul(factor) && b <= a.saturating_mul(factor)
    };
    let (a, b) = (before.count, after.count);
    8 + if same_operation { 4 } else { 0 }
        + if a == b {
            6
        } else if similar(a, b, 2) {
            2
        } else {
            0
        }
        + if similar(before.total.as_ns(), after.total.as_ns(), 2) { 2 } else { 0 }
}

/// Kernels of which nothing is known have nothing in common but that.
fn is_unknown(group: &KernelGroup) -> bool {
    group.key().role == underspan_classifier::Role::Other
}

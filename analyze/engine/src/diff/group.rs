//! Kernels of one name as one thing to compare.

use hashbrown::HashMap;
use underspan_classifier::{Dtype, KernelClass, Role, TensorCore};
use underspan_model::{DurationNs, StringId};

use super::Side;

/// The kernels of one name and class in one capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelGroup {
    /// Name.
    pub name: String,
    /// What they are.
    pub class: KernelClass,
    /// Kernels.
    pub count: u64,
    /// Sum of their durations.
    pub total: DurationNs,
    /// Grid of the launch shape with most time; zeros when unknown.
    pub grid: [u32; 3],
    /// Block of the launch shape with most time; zeros when unknown.
    pub block: [u32; 3],
    /// Kernels of other names that are counted with it, since the other capture has one for all.
    pub n_merged: u32,
    /// Place of the first of them among the first of all names.
    pub position: u32,
}

/// What groups are aligned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupKey {
    /// Part they play.
    pub role: Role,
    /// What they compute.
    pub operation: &'static str,
}

impl KernelGroup {
    /// What it is aligned by.
    pub fn key(&self) -> GroupKey {
        GroupKey { role: self.class.role.value, operation: self.class.operation.value }
    }

    /// Type computed in.
    pub fn dtype(&self) -> Dtype {
        self.class.compute_dtype.value
    }

    /// Whether on tensor cores.
    pub fn tensor_core(&self) -> TensorCore {
        self.class.tensor_core.value
    }
}

/// The groups of a capture in the order of their first kernels.
pub(super) fn groups(side: &Side<'_>) -> Vec<KernelGroup> {
    let (timeline, analysis) = (side.timeline, side.analysis);
    let shapes = timeline.shapes.as_slice();
    let mut first: Vec<u32> = vec![u32::MAX; shapes.len()];
    for (row, &shape) in timeline.kernels.shape.iter().enumerate() {
        if let Some(first) = first.get_mut(shape as usize) {
            *first = (*first).min(row as u32);
        }
    }
    let mut first_of_name: HashMap<StringId, u32> = HashMap::new();
    for (shape, first) in shapes.iter().zip(first) {
        let entry = first_of_name.entry(shape.name).or_insert(u32::MAX);
        *entry = (*entry).min(first);
    }
    // Shapes of a name stand together, the one with most time first.
    let mut main_shape = HashMap::new();
    for row in &analysis.kernels.by_shape {
        main_shape.entry(row.name).or_insert(row.shape);
    }
    let mut groups: Vec<KernelGroup> = analysis
        .precision
        .kernels
        .iter()
        .map(|kernel| {
            let shape = main_shape.get(&kernel.name).and_then(|id| timeline.shapes.resolve(*id));
            KernelGroup {
                name: timeline.strings.resolve_or_empty(kernel.name).to_owned(),
                class: kernel.class.clone(),
                count: kernel.count,
                total: kernel.total,
                grid: shape.map_or([0; 3], |shape| shape.grid),
                block: shape.map_or([0; 3], |shape| shape.block),
                n_merged: 0,
                position: first_of_name.get(&kernel.name).copied().unwrap_or(u32::MAX),
            }
        })
        .collect();
    groups.sort_by(|a, b| (a.position, &a.name).cmp(&(b.position, &b.name)));
    for (at, group) in groups.iter_mut().enumerate() {
        group.position = at as u32;
    }
    groups
}

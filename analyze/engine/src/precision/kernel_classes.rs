//! The class of every launch shape, each name classified once.

use hashbrown::HashMap;
use rayon::prelude::*;
use underspan_classifier::{
    ComputeCapability, Dtype, KernelClass, KernelQuery, Launch, TensorCore, classify,
};
use underspan_model::{KernelShape, NONE_U32, ShapeId, StringId, Timeline};

use super::layers::layer_classes;
use super::operands::operand_types;

/// What each launch shape of a capture is.
#[derive(Debug, Clone)]
pub struct KernelClasses {
    classes: Vec<KernelClass>,
    /// Index into `classes` by shape; the last one is that of kernels without a shape.
    by_shape: Vec<u32>,
}

impl KernelClasses {
    /// Classifies the launch shapes of a timeline by name, operand types and launch.
    pub fn of(timeline: &Timeline) -> Self {
        let capability = capability(timeline);
        let shapes = timeline.shapes.as_slice();
        let name_of = |id: StringId| timeline.strings.resolve_or_empty(id).as_bytes();
        let query = |id: StringId| KernelQuery {
            compute_capability: capability,
            ..KernelQuery::named(name_of(id))
        };
        // Every name once: that is where the time goes.
        let mut by_name: HashMap<StringId, u32> = HashMap::new();
        let mut names: Vec<StringId> = Vec::new();
        for shape in shapes {
            by_name.entry(shape.name).or_insert_with(|| {
                names.push(shape.name);
                names.len() as u32 - 1
            });
        }
        let mut classes: Vec<KernelClass> =
            names.par_iter().with_min_len(16).map(|name| classify(&query(*name))).collect();
        let is_open = |id: StringId| {
            let class = by_name.get(&id).map(|at| &classes[*at as usize]);
            class.is_some_and(|class| class.compute_dtype.value == Dtype::Unknown)
        };
        let operands = operand_types(timeline, is_open);
        let layers = layer_classes(timeline);
        for (class, name) in classes.iter_mut().zip(&names) {
            if let Some(layer) = layers.get(name) {
                *class = layer.clone();
            } else if let Some(types) = operands.get(name) {
                *class = classify(&KernelQuery { operand_types: types, ..query(*name) });
            }
        }

        let mut by_shape = Vec::with_capacity(shapes.len() + 1);
        for shape in shapes {
            let named = by_name[&shape.name];
            let class = &classes[named as usize];
            // Only a multiply of unknown unit can learn from how it was launched.
            let needs_launch = class.role.value.is_matmul()
                && class.tensor_core.value == TensorCore::Unknown
                && !layers.contains_key(&shape.name);
            let Some(launch) = launch(shape).filter(|_| needs_launch) else {
                by_shape.push(named);
                continue;
            };
            let types = operands.get(&shape.name).map_or(&[][..], Vec::as_slice);
            let refined = classify(&KernelQuery {
                launch: Some(launch),
                operand_types: types,
                ..query(shape.name)
            });
            if refined == *class {
                by_shape.push(named);
            } else {
                by_shape.push(classes.len() as u32);
                classes.push(refined);
            }
        }
        by_shape.push(classes.len() as u32);
        classes.push(classify(&KernelQuery::default()));
        Self { classes, by_shape }
    }

    /// The class of a launch shape; that of an unknown one says nothing.
    pub fn of_shape(&self, shape: ShapeId) -> &KernelClass {
        let last = self.by_shape.len() - 1;
        &self.classes[self.by_shape[shape.index().min(last)] as usize]
    }
}

/// The compute capability of the devices, when they all have the same.
fn capability(timeline: &Timeline) -> Option<ComputeCapability> {
    let all = &timeline.dimensions.devices.compute_capability;
    let first = *all.first().filter(|capability| **capability != NONE_U32)?;
    all.iter().all(|other| *other == first).then(|| ComputeCapability::new(first / 10, first % 10))
}

fn launch(shape: &KernelShape) -> Option<Launch> {
    let known = |value: u32| (value != NONE_U32).then_some(value);
    let dims = |dims: [u32; 3]| (dims != [0; 3]).then_some(dims);
    let shared = match (known(shape.static_shared_bytes), known(shape.dynamic_shared_bytes)) {
        (None, None) => None,
        (fixed, dynamic) => Some(fixed.unwrap_or(0).saturating_add(dynamic.unwrap_or(0))),
    };
    let launch = Launch {
        registers: known(shape.registers_per_thread),
        shared_memory_bytes: shared,
        grid: dims(shape.grid),
        block: dims(shape.block),
    };
    (launch != Launch::default()).then_some(launch)
}

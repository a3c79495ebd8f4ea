//! The class of every launch shape, each name classified once.

use hashbrown::HashMap;
use underspan_classifier::{
    ClassCache, ComputeCapability, Dtype, KernelClass, KernelQuery, Launch, TensorCore, classify,
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
        let mut cache = ClassCache::new();
        for shape in shapes {
            cache.classify(shape.name.raw(), &query(shape.name));
        }
        let is_open = |id: StringId| {
            cache.get(id.raw()).is_some_and(|class| class.compute_dtype.value == Dtype::Unknown)
        };
        let operands = operand_types(timeline, is_open);
        for (name, types) in &operands {
            cache.classify(name.raw(), &KernelQuery { operand_types: types, ..query(*name) });
        }
        let layers = layer_classes(timeline);

        let mut classes = Vec::new();
        let mut by_name: HashMap<StringId, u32> = HashMap::new();
        let mut by_shape = Vec::with_capacity(shapes.len() + 1);
        for shape in shapes {
            let named = *by_name.entry(shape.name).or_insert_with(|| {
                let class = layers.get(&shape.name).cloned();
                classes.push(class.unwrap_or_else(|| {
                    let cached = cache.get(shape.name.raw()).cloned();
                    cached.unwrap_or_else(|| classify(&query(shape.name)))
                }));
                classes.len() as u32 - 1
            });
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

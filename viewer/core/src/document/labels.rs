//! What events are called and which launch shape is what.

use std::sync::OnceLock;

use underspan_classifier::{Dtype, KernelClass, Role, short_name};
use underspan_engine::KernelClasses;
use underspan_model::tables::{MemcpyKind, MemoryKind, SyncKind, TableKind};
use underspan_model::{ShapeId, StringId, Timeline};

/// Longest label of a bar, in characters.
const MOST_CHARS: usize = 80;

/// Class and label of every launch shape.
#[derive(Debug)]
pub(crate) struct Labels {
    classes: KernelClasses,
    /// Labels of those that were drawn: making one takes a name apart.
    kernels: Vec<OnceLock<Box<str>>>,
}

impl Labels {
    pub(crate) fn of(timeline: &Timeline) -> Self {
        let n_shapes = timeline.shapes.as_slice().len();
        let kernels = (0..n_shapes).map(|_| OnceLock::new()).collect();
        Self { classes: KernelClasses::of(timeline), kernels }
    }

    /// The label of kernels by their shape column.
    pub(crate) fn kernel(&self, timeline: &Timeline, shape: u32) -> &str {
        let Some(known) = self.kernels.get(shape as usize) else { return "kernel" };
        known.get_or_init(|| label(timeline, TableKind::Kernel, shape).into())
    }

    /// The class of a kernel by its shape column.
    pub(crate) fn class(&self, shape: u32) -> &KernelClass {
        self.classes.of_shape(ShapeId::from_raw(shape))
    }

    /// What a kernel of this shape does.
    pub(crate) fn role(&self, shape: u32) -> Role {
        self.class(shape).role.value
    }

    /// What a kernel of this shape computes in.
    pub(crate) fn dtype(&self, shape: u32) -> Dtype {
        self.class(shape).compute_dtype.value
    }
}

/// The full name of an event, from its table and the value of its name column.
pub(crate) fn full_name(timeline: &Timeline, kind: TableKind, name: u32) -> String {
    let text = |id: u32, other: &str| {
        let found = timeline.strings.resolve(StringId::from_raw(id));
        found.filter(|text| !text.is_empty()).unwrap_or(other).to_owned()
    };
    match kind {
        TableKind::Kernel => {
            let shape = timeline.shapes.resolve(ShapeId::from_raw(name));
            shape.map_or_else(|| "kernel".to_owned(), |shape| text(shape.name.raw(), "kernel"))
        }
        TableKind::Memcpy => format!("memcpy {}", MemcpyKind::from_code(name as u8).as_str()),
        TableKind::Memset => format!("memset {}", MemoryKind::from_code(name as u8).as_str()),
        TableKind::Sync => SyncKind::from_code(name as u8).as_str().to_owned(),
        TableKind::GraphLaunch => format!("graph {name}"),
        TableKind::Step => text(name, "step"),
        other => text(name, other.name()),
    }
}

/// The name that stands in an event's bar.
pub(crate) fn label(timeline: &Timeline, kind: TableKind, name: u32) -> String {
    let full = full_name(timeline, kind, name);
    let short = if kind == TableKind::Kernel { short_name(&full) } else { full };
    short.chars().take(MOST_CHARS).collect()
}

//! What events are called and which launch shape is what.

use underspan_classifier::{Dtype, KernelClass, Role};
use underspan_engine::KernelClasses;
use underspan_model::tables::{MemcpyKind, MemoryKind, SyncKind, TableKind};
use underspan_model::{ShapeId, StringId, Timeline};

use super::short_name::short_name;

/// Class of every launch shape.
#[derive(Debug)]
pub(crate) struct Labels {
    classes: KernelClasses,
}

impl Labels {
    pub(crate) fn of(timeline: &Timeline) -> Self {
        Self { classes: KernelClasses::of(timeline) }
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
    let short = match kind {
        TableKind::Kernel => short_name(&full),
        _ => &full,
    };
    short.chars().take(80).collect()
}

//! Where each field of a record is, for the library at hand.
//!
//! Predefined records have fields at fixed offsets and differ in length only; user-defined records
//! are described by the library with each buffer. Both become the same table of offsets, so that
//! one decoder reads both.

use cupti_sys::{ActivityKind, Field, Record as RecordFacts};

use crate::strides::{N_KINDS, Strides};
use crate::views::Slot;

/// An offset that says: this library's record does not have the field.
pub(crate) const ABSENT: u16 = u16::MAX;

/// Kinds that can have a view; the newest known is 59.
const N_SLOTS: usize = 64;

/// One field of a user-defined record, as the library reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedField {
    /// The field's id within its kind.
    pub id: i32,
    /// Byte offset within the record.
    pub offset: usize,
    /// Length in bytes.
    pub size: usize,
}

/// Record lengths and field offsets of one source of buffers.
#[derive(Clone, Debug)]
pub struct Layouts {
    pub(crate) strides: [u16; N_KINDS],
    slots: [Slot; N_SLOTS],
}

impl Layouts {
    /// For predefined records of these lengths.
    pub fn predefined(strides: &Strides) -> Self {
        let mut layouts = Self::empty();
        for (kind, bytes) in strides.iter() {
            layouts.set(kind, bytes, &Offsets::Predefined { bytes });
        }
        layouts
    }

    /// For user-defined records; kinds are added with [`Self::add_selected`].
    pub const fn empty() -> Self {
        Self { strides: [0; N_KINDS], slots: [const { Slot::None }; N_SLOTS] }
    }

    /// Adds one kind of user-defined record. A kind whose required fields are missing, or have
    /// another length than expected, is stepped over and counted, not read.
    pub fn add_selected(&mut self, kind: ActivityKind, bytes: u16, fields: &[SelectedField]) {
        self.set(kind, bytes, &Offsets::Selected { bytes, fields });
    }

    /// The distance from one record of `kind` to the next.
    pub fn stride(&self, kind: ActivityKind) -> Option<u16> {
        self.strides.get(kind.0 as usize).copied().filter(|bytes| *bytes != 0)
    }

    /// Whether records of `kind` can be read, beyond being stepped over.
    pub fn has_view(&self, kind: ActivityKind) -> bool {
        self.slot(kind).is_some_and(|slot| !matches!(slot, Slot::None))
    }

    pub(crate) fn slot(&self, kind: ActivityKind) -> Option<&Slot> {
        self.slots.get(kind.0 as usize)
    }

    fn set(&mut self, kind: ActivityKind, bytes: u16, offsets: &Offsets<'_>) {
        let index = kind.0 as usize;
        if let Some(stride) = self.strides.get_mut(index)
            && usize::from(bytes) >= size_of::<u32>()
        {
            *stride = bytes;
            if let Some(slot) = self.slots.get_mut(index) {
                *slot = Slot::for_kind(kind, offsets);
            }
        }
    }
}

/// Answers where a field is.
pub(crate) enum Offsets<'a> {
    /// A predefined record of this length.
    Predefined { bytes: u16 },
    /// A user-defined record of this length with these fields.
    Selected { bytes: u16, fields: &'a [SelectedField] },
}

impl Offsets<'_> {
    /// The offset of `field` when the record has it, whole and in the expected length.
    // Called for each field of each view: inlined, it would be a tenth of the collector.
    #[inline(never)]
    pub(crate) fn of(&self, record: &RecordFacts, field: &Field) -> Option<u16> {
        match self {
            Self::Predefined { bytes } => {
                (*bytes >= record.shortest_with(field)).then_some(field.offset)
            }
            Self::Selected { bytes, fields } => {
                let id = field.user?.id;
                let selected = fields.iter().find(|selected| selected.id == id)?;
                let end = selected.offset.checked_add(selected.size)?;
                if selected.size != usize::from(field.size) || end > usize::from(*bytes) {
                    return None;
                }
                u16::try_from(selected.offset).ok()
            }
        }
    }
}

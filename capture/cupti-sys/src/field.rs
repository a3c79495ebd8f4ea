//! How records are described: fields at fixed prefix offsets, lengths by release.
//!
//! From 11.8 to 13.5 every record read here only ever grew at its end, so a field has one offset
//! for all releases, and only the distance to the next record changes. The distance is asked from
//! the loaded library; [`Record::sizes`] says which answers are plausible.

use crate::kind::ActivityKind;
use crate::toolkit::{CUDA_13_3, Toolkit};

/// One field of an activity record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Member path in the C structure.
    pub c_path: &'static str,
    /// Byte offset within the predefined record.
    pub offset: u16,
    /// Length in bytes.
    pub size: u8,
    /// The first compared toolkit whose record has it.
    pub since: Toolkit,
    /// The field in a user-defined record, where it can be selected.
    pub user: Option<UserField>,
}

impl Field {
    /// One byte past the field.
    pub const fn end(&self) -> u16 {
        self.offset + self.size as u16
    }
}

/// The identity of a field in user-defined records (CUDA 13.3 and later).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserField {
    /// The field's id within its kind.
    pub id: i32,
    /// The id's name in the C headers.
    pub c_name: &'static str,
}

/// The length of a record from one release on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSize {
    /// The first compared toolkit with this length.
    pub since: Toolkit,
    /// The C structure that names it.
    pub c_type: &'static str,
    /// Bytes.
    pub bytes: u16,
}

/// Everything known about one record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// A short name for messages.
    pub name: &'static str,
    /// The kinds that carry it.
    pub kinds: &'static [ActivityKind],
    /// Lengths, oldest first.
    pub sizes: &'static [RecordSize],
    /// Fields read from it; the kind at offset 0 is not listed.
    pub fields: &'static [Field],
    /// The kind field of user-defined records, which comes first in every selection.
    pub user_kind: UserField,
}

impl Record {
    /// The length in `toolkit`, or `None` when that release did not have the record.
    pub const fn size_in(&self, toolkit: Toolkit) -> Option<RecordSize> {
        let mut found = None;
        let mut index = 0;
        while index < self.sizes.len() {
            if toolkit.at_least(self.sizes[index].since) {
                found = Some(self.sizes[index]);
            }
            index += 1;
        }
        found
    }

    /// The shortest length a library can have for its records to carry `field`.
    ///
    /// Releases that had the field's bytes as padding are shorter, except where padding was put to
    /// use without growing the record; such fields are not listed in this crate.
    pub const fn shortest_with(&self, field: &Field) -> u16 {
        match self.size_in(field.since) {
            Some(size) if size.bytes >= field.end() => size.bytes,
            _ => field.end(),
        }
    }

    /// What a record length reported by a library says about that library.
    pub const fn judge(&self, bytes: usize) -> SizeVerdict {
        let mut index = 0;
        while index < self.sizes.len() {
            if self.sizes[index].bytes as usize == bytes {
                return SizeVerdict::Known;
            }
            index += 1;
        }
        let newest = self.sizes[self.sizes.len() - 1].bytes as usize;
        if bytes > newest && bytes.is_multiple_of(8) && bytes <= MAX_RECORD_BYTES {
            SizeVerdict::Newer
        } else {
            SizeVerdict::Implausible
        }
    }
}

/// Longest record that is believed.
pub const MAX_RECORD_BYTES: usize = 2048;

/// What a record length says about the library that reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeVerdict {
    /// One of the compared releases has this length.
    Known,
    /// Longer than any compared release: a newer library, whose known prefix is still read.
    Newer,
    /// No compared release has it and it is not a grown record: not to be read.
    Implausible,
}

/// The first toolkit in which `field` can be selected for user-defined records.
pub const fn user_since(field: &Field) -> Toolkit {
    if field.since.at_least(CUDA_13_3) { field.since } else { CUDA_13_3 }
}

/// Declares a record type as a module of field constants and a `RECORD`.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub mod $module:ident, kinds [$($kind:ident),*], user $user_prefix:literal {
            sizes { $( $size_since:ident $c_type:literal $bytes:literal; )* }
            $(
                $(#[$field_meta:meta])*
                $field:ident: $size:literal @ $offset:literal, $c_path:literal
                $(, since $since:ident)? $(, user $user_id:literal $user_name:literal)?;
            )*
        }
    ) => {
        $(#[$meta])*
        pub mod $module {
            use crate::field::{Field, Record, RecordSize};
            use crate::kind::ActivityKind;

            $(
                $(#[$field_meta])*
                #[doc = concat!("\n\nC: `", $c_path, "`, ", $size, " bytes at ", $offset, ".")]
                pub const $field: Field = Field {
                    c_path: $c_path,
                    offset: $offset,
                    size: $size,
                    since: crate::field::record!(@since $($since)?),
                    user: crate::field::record!(@user $user_prefix, $($user_id $user_name)?),
                };
            )*

            /// The record's lengths and fields.
            pub const RECORD: Record = Record {
                name: stringify!($module),
                kinds: &[$(ActivityKind::$kind),*],
                sizes: &[$(RecordSize {
                    since: crate::toolkit::$size_since,
                    c_type: concat!("CUpti_Activity", $c_type),
                    bytes: $bytes,
                }),*],
                fields: &[$($field),*],
                user_kind: crate::field::UserField {
                    id: 0,
                    c_name: concat!($user_prefix, "KIND"),
                },
            };
        }
    };
    (@since) => { crate::toolkit::CUDA_11_8 };
    (@since $since:ident) => { crate::toolkit::$since };
    (@user $prefix:literal, $id:literal $name:literal) => {
        Some(crate::field::UserField { id: $id, c_name: concat!($prefix, $name) })
    };
    (@user $prefix:literal, ) => { None };
}

pub(crate) use record;

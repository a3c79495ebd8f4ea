//! The declaration of a view: a structure, where its fields are, and how it is read.

use cupti_sys::UserField;

use crate::layout::ABSENT;

/// A field's value, as the library wrote it.
pub(crate) trait Raw: Sized + Copy {
    /// Reads the value at `offset` of `record`; `None` when it is not all there.
    fn read(record: &[u8], offset: u16) -> Option<Self>;
}

macro_rules! raw {
    ($($ty:ty),*) => {$(
        impl Raw for $ty {
            #[inline(always)]
            fn read(record: &[u8], offset: u16) -> Option<Self> {
                let offset = usize::from(offset);
                let bytes = record.get(offset..offset + size_of::<Self>())?;
                Some(Self::from_ne_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}
raw!(u8, u16, u32, u64, i32);

impl Raw for [u8; 16] {
    fn read(record: &[u8], offset: u16) -> Option<Self> {
        record.get(usize::from(offset)..usize::from(offset) + 16)?.try_into().ok()
    }
}

/// Reads a field that every release has. The layout made sure that it lies within the record.
#[inline(always)]
pub(crate) fn required<T: Raw + Default>(record: &[u8], offset: u16) -> T {
    T::read(record, offset).unwrap_or_default()
}

/// Reads a field that some releases lack.
#[inline(always)]
pub(crate) fn optional<T: Raw>(record: &[u8], offset: u16) -> Option<T> {
    if offset == ABSENT { None } else { T::read(record, offset) }
}

/// Ids of those fields that user-defined records can have. One function for all views: the library
/// that is loaded into other processes stays small.
#[inline(never)]
pub(crate) fn ids(plain: &[Option<UserField>], extras: &[Option<UserField>]) -> Vec<i32> {
    plain.iter().chain(extras).flatten().map(|user| user.id).collect()
}

/// Declares a view of the record type `$facts`.
///
/// Plain fields exist in every release and are what a user-defined record is made of. Fields after
/// `?` are `None` where the library's record does not have them; those after `+` too, and they
/// are asked for in user-defined records of releases that have them.
macro_rules! view {
    (
        $(#[$meta:meta])*
        pub struct $name:ident, $layout:ident, $facts:ident {
            $( $(#[$field_meta:meta])* $field:ident: $ty:ty = $fact:ident; )*
            $( ? $(#[$option_meta:meta])* $option:ident: $option_ty:ty = $option_fact:ident; )*
            $( + $(#[$extra_meta:meta])* $extra:ident: $extra_ty:ty = $extra_fact:ident; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            /// The record's kind.
            pub kind: ::cupti_sys::ActivityKind,
            $( $(#[$field_meta])* pub $field: $ty, )*
            $( $(#[$option_meta])* pub $option: Option<$option_ty>, )*
            $( $(#[$extra_meta])* pub $extra: Option<$extra_ty>, )*
        }

        /// Where the fields are.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $layout {
            $( $field: u16, )*
            $( $option: u16, )*
            $( $extra: u16, )*
        }

        impl $layout {
            /// `None` when the record lacks a field that every release has.
            pub(crate) fn new(offsets: &$crate::layout::Offsets<'_>) -> Option<Self> {
                use ::cupti_sys::record::$facts as facts;
                $( const _: () = assert!(facts::$fact.size as usize == size_of::<$ty>()); )*
                $( const _: () = assert!(facts::$option_fact.size as usize == size_of::<$option_ty>()); )*
                $( const _: () = assert!(facts::$extra_fact.size as usize == size_of::<$extra_ty>()); )*
                Some(Self {
                    $( $field: offsets.of(&facts::RECORD, &facts::$fact)?, )*
                    $( $option: offsets
                        .of(&facts::RECORD, &facts::$option_fact)
                        .unwrap_or($crate::layout::ABSENT), )*
                    $( $extra: offsets
                        .of(&facts::RECORD, &facts::$extra_fact)
                        .unwrap_or($crate::layout::ABSENT), )*
                })
            }

            #[inline]
            pub(crate) fn read(&self, kind: ::cupti_sys::ActivityKind, record: &[u8]) -> $name {
                $name {
                    kind,
                    $( $field: $crate::views::macros::required(record, self.$field), )*
                    $( $option: $crate::views::macros::optional(record, self.$option), )*
                    $( $extra: $crate::views::macros::optional(record, self.$extra), )*
                }
            }
        }

        impl $name {
            /// Ids of the fields to select for a user-defined record, the kind first.
            pub(crate) fn selection(with_extras: bool) -> Vec<i32> {
                use ::cupti_sys::record::$facts as facts;
                const PLAIN: &[Option<::cupti_sys::UserField>] =
                    &[Some(facts::RECORD.user_kind), $( facts::$fact.user, )*];
                const EXTRAS: &[Option<::cupti_sys::UserField>] =
                    &[$( facts::$extra_fact.user ),*];
                $crate::views::macros::ids(PLAIN, if with_extras { EXTRAS } else { &[] })
            }
        }
    };
}

pub(crate) use view;

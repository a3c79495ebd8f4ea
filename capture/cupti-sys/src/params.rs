//! Structures that pass between the library and its caller, other than records.
//!
//! Those that begin with `struct_size` carry their own length: the side that fills the structure
//! writes how much of it that side knows. What the caller fills is sent in the length of the
//! oldest release that has the function, unless a later field is used.

use std::ffi::{c_char, c_int, c_void};

/// Opaque handle of a subscriber. C: `CUpti_SubscriberHandle`.
pub type SubscriberHandle = *mut c_void;

/// C: `CUpti_SubscriberParams`, filled by the caller.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SubscriberParams {
    /// [`SubscriberParams::SIZE_13_0`] or [`SubscriberParams::SIZE_13_2`].
    pub struct_size: usize,
    /// The subscriber's name, at most [`SUBSCRIBER_NAME_MAX`] bytes, NUL-terminated, or null.
    pub subscriber_name: *const c_char,
    /// Where the name of the subscriber in the way is written, or null.
    pub old_subscriber_name: *mut c_char,
    /// Room at `old_subscriber_name`, at least [`OLD_SUBSCRIBER_NAME_MIN`].
    pub old_subscriber_size: usize,
    /// 1 to share the process with other subscribers that also ask for it. Since 13.2.
    pub allow_multiple_subscribers: u8,
    /// Unused.
    pub padding: [u8; 7],
}

impl SubscriberParams {
    /// `struct_size` without `allow_multiple_subscribers`.
    pub const SIZE_13_0: usize = 32;
    /// `struct_size` with `allow_multiple_subscribers`.
    pub const SIZE_13_2: usize = 40;
}

/// Longest subscriber name that is not cut. C: `CUPTI_SUBSCRIBER_NAME_MAX_LEN`.
pub const SUBSCRIBER_NAME_MAX: usize = 53;
/// Room that the old subscriber's name needs. C: `CUPTI_OLD_SUBSCRIBER_NAME_MIN_LEN`.
pub const OLD_SUBSCRIBER_NAME_MIN: usize = 64;

/// Which fields a user-defined record has. C: `CUpti_ActivityFieldSelection`, filled by the caller.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FieldSelection {
    /// `size_of::<FieldSelection>()`.
    pub struct_size: usize,
    /// Length of `field_ids`.
    pub n_fields: usize,
    /// Field ids; the first is the kind field.
    pub field_ids: *mut c_int,
}

/// How to enable a kind. C: `CUpti_ActivityConfig`, filled by the caller.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ActivityConfig {
    /// [`ActivityConfig::SIZE_13_2`], or [`ActivityConfig::SIZE_13_4`] with `kind_options`.
    pub struct_size: usize,
    /// The fields of the record.
    pub field_selection: FieldSelection,
    /// Options of the API kinds, or null. Since 13.4.
    pub kind_options: *mut c_void,
}

impl ActivityConfig {
    /// `struct_size` without `kind_options`.
    pub const SIZE_13_2: usize = 32;
    /// `struct_size` with `kind_options`.
    pub const SIZE_13_4: usize = 40;
}

/// Where one field of a user-defined record is. C: `CUpti_ActivityFieldLayoutEntry`, filled by the
/// library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FieldLayoutEntry {
    /// How much of this structure the library filled.
    pub struct_size: usize,
    /// The field's id within its kind.
    pub field_id: c_int,
    /// Byte offset within the record.
    pub offset: usize,
    /// Length in bytes.
    pub size: usize,
    /// Alignment in bytes.
    pub alignment: usize,
}

/// One kind's user-defined record. C: `CUpti_ActivityRecordLayout`, filled by the library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecordLayout {
    /// How much of this structure the library filled.
    pub struct_size: usize,
    /// The fields.
    pub entries: *mut FieldLayoutEntry,
    /// Length of `entries`.
    pub n_fields: usize,
    /// Bytes from one record to the next.
    pub record_size: usize,
}

/// C: `CUpti_BufferCallbackRequestInfo`, filled by the library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BufferRequestInfo {
    /// How much of this structure the library filled.
    pub struct_size: usize,
}

/// C: `CUpti_BufferCallbackCompleteInfo`, filled by the library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BufferCompleteInfo {
    /// How much of this structure the library filled.
    pub struct_size: usize,
    /// The thread whose buffer this is, when buffers are per thread.
    pub thread_id: u64,
    /// Layouts indexed by activity kind; null where a kind has none. Filled since 13.3.
    pub record_layouts: *mut *mut RecordLayout,
    /// Length of `record_layouts`.
    pub n_record_layouts: usize,
}

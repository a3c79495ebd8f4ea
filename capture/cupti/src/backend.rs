//! The two generations of the activity interface, behind one trait.

mod user_defined;
mod v1;

pub use user_defined::UserDefined;
pub use v1::V1;

use cupti_sys::ActivityKind;

use crate::{ApiCall, CompletedBuffer, Error, Flush, Layouts};

/// A way to have activities recorded and to read the records.
///
/// Methods may block in the library and are for the collector's own threads, never for callbacks.
pub trait Backend: Send + Sync {
    /// A short name for messages and for the file's head.
    fn name(&self) -> &'static str;

    /// Applies `settings`, before anything is enabled. What the release does not have is skipped;
    /// the answer says what took.
    fn configure(&self, settings: &Settings) -> Vec<SettingOutcome>;

    /// Makes the library call this backend's buffer callbacks. Again after another profiler took
    /// over, where that is possible.
    ///
    /// # Errors
    /// When the call fails.
    fn register(&self) -> Result<(), Error>;

    /// Turns `kind` on; with `dump`, what exists already (devices, contexts, streams) is replayed.
    ///
    /// # Errors
    /// When the call fails, or the backend cannot record the kind.
    fn enable(&self, kind: ActivityKind, dump: bool) -> Result<(), Error>;

    /// Turns `kind` off.
    ///
    /// # Errors
    /// When the call fails.
    fn disable(&self, kind: ActivityKind) -> Result<(), Error>;

    /// Turns the record of one API call on or off, at the source.
    ///
    /// # Errors
    /// When the release cannot filter calls.
    fn record_call(&self, call: ApiCall, on: bool) -> Result<(), Error>;

    /// Delivers buffers. Blocks.
    ///
    /// # Errors
    /// When the call fails.
    fn flush(&self, flush: Flush) -> Result<(), Error>;

    /// Takes the number of records the library dropped for want of a buffer since the last call.
    ///
    /// # Errors
    /// When the call fails.
    fn take_dropped_records(&self) -> Result<u64, Error>;

    /// Now, on the clock of the records, in nanoseconds.
    ///
    /// # Errors
    /// When the call fails.
    fn timestamp_ns(&self) -> Result<u64, Error>;

    /// How to read `buffer`; `None` when that is not known and all of it is lost.
    fn layouts(&self, buffer: &CompletedBuffer) -> Option<&Layouts>;
}

/// How the library shall work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// One buffer per thread instead of one for all: no lock between launching threads.
    pub per_thread_buffers: bool,
    /// Granted buffers are zero already, so the library need not clear them.
    pub zeroed_buffers: bool,
    /// API records carry the system's thread ids.
    pub system_thread_ids: bool,
    /// Kernel records carry queued and submitted times.
    pub latency_timestamps: bool,
    /// Bytes of each buffer on the device. `None` leaves the library's choice.
    pub device_buffer_bytes: Option<usize>,
    /// Most buffers on each device. `None` leaves the library's choice.
    pub device_buffer_limit: Option<usize>,
    /// Buffers allocated on each device in advance. `None` leaves the library's choice.
    pub device_buffers_in_advance: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_thread_buffers: true,
            zeroed_buffers: true,
            system_thread_ids: true,
            latency_timestamps: false,
            device_buffer_bytes: None,
            device_buffer_limit: None,
            device_buffers_in_advance: None,
        }
    }
}

/// What became of one setting.
#[derive(Debug)]
pub struct SettingOutcome {
    /// The setting.
    pub name: &'static str,
    /// Whether it took, or why not.
    pub result: Result<(), Error>,
}

impl Settings {
    /// Applies the settings that are on, through the two ways a value can be written.
    fn apply(
        &self,
        set_flag: &dyn Fn(cupti_sys::ActivityAttribute) -> Result<(), Error>,
        set_size: &dyn Fn(cupti_sys::ActivityAttribute, usize) -> Result<(), Error>,
    ) -> Vec<SettingOutcome> {
        use cupti_sys::ActivityAttribute as Attribute;
        let mut outcomes = Vec::new();
        let mut note = |name, result| outcomes.push(SettingOutcome { name, result });
        if self.per_thread_buffers {
            note("per-thread buffers", set_flag(Attribute::PER_THREAD_ACTIVITY_BUFFER));
        }
        if self.zeroed_buffers {
            note("zeroed buffers", set_flag(Attribute::ZEROED_OUT_ACTIVITY_BUFFER));
        }
        for (name, attribute, value) in [
            ("device buffer size", Attribute::DEVICE_BUFFER_SIZE, self.device_buffer_bytes),
            ("device buffer limit", Attribute::DEVICE_BUFFER_POOL_LIMIT, self.device_buffer_limit),
            (
                "device buffers in advance",
                Attribute::DEVICE_BUFFER_PRE_ALLOCATE_VALUE,
                self.device_buffers_in_advance,
            ),
        ] {
            if let Some(value) = value {
                note(name, set_size(attribute, value));
            }
        }
        outcomes
    }
}

//! The interface that every release has: one set of buffer callbacks for the process, predefined
//! records.

use cupti_sys::{ActivityKind, BufferCompletedFn, BufferRequestedFn, ThreadIdType};

use super::{Backend, SettingOutcome, Settings};
use crate::api::check;
use crate::buffer::{completed, requested};
use crate::{Api, ApiCall, BufferSink, CompletedBuffer, Error, Flush, Layouts, Strides};

/// Records activities with the process-wide interface.
///
/// It works without subscribing, and then shares the process with a profiler that does the same in
/// the worst way: whoever registers last gets all buffers.
#[derive(Debug)]
pub struct V1<'api> {
    api: &'api Api,
    layouts: Layouts,
    requested: BufferRequestedFn,
    completed: BufferCompletedFn,
}

impl<'api> V1<'api> {
    /// Buffers come from and go to `S`; records are as long as `strides` says, which came from
    /// this very library.
    pub fn new<S: BufferSink>(api: &'api Api, strides: &Strides) -> Self {
        Self {
            api,
            layouts: Layouts::predefined(strides),
            requested: requested::<S>,
            completed: completed::<S>,
        }
    }
}

impl Backend for V1<'_> {
    fn name(&self) -> &'static str {
        "v1"
    }

    fn configure(&self, settings: &Settings) -> Vec<SettingOutcome> {
        let mut outcomes = settings
            .apply(&|attribute| self.api.set_flag(attribute, true), &|attribute, value| {
                self.api.set_size(attribute, value)
            });
        if settings.system_thread_ids {
            let result = self.api.set_thread_id_type(ThreadIdType::SYSTEM);
            outcomes.push(SettingOutcome { name: "system thread ids", result });
        }
        if settings.latency_timestamps {
            let result = self.api.set_latency_timestamps(true);
            outcomes.push(SettingOutcome { name: "latency timestamps", result });
        }
        outcomes
    }

    #[expect(unsafe_code, reason = "hands callbacks to a C library")]
    fn register(&self) -> Result<(), Error> {
        let name = "cuptiActivityRegisterCallbacks";
        let call = self.api.need(name, self.api.functions().activity_register_callbacks)?;
        // SAFETY: both are functions of the types the library calls, and functions never go away.
        check(name, unsafe { call(self.requested, self.completed) })
    }

    fn enable(&self, kind: ActivityKind, dump: bool) -> Result<(), Error> {
        self.api.enable(kind, dump)
    }

    fn disable(&self, kind: ActivityKind) -> Result<(), Error> {
        self.api.disable(kind)
    }

    fn record_call(&self, call: ApiCall, on: bool) -> Result<(), Error> {
        self.api.record_call(call, on)
    }

    fn flush(&self, flush: Flush) -> Result<(), Error> {
        self.api.flush(flush)
    }

    fn take_dropped_records(&self) -> Result<u64, Error> {
        self.api.take_dropped_records()
    }

    fn timestamp_ns(&self) -> Result<u64, Error> {
        self.api.timestamp_ns()
    }

    fn layouts(&self, _buffer: &CompletedBuffer) -> Option<&Layouts> {
        Some(&self.layouts)
    }
}

//! The per-subscriber interface of 13.3 and later, with records of selected fields.
//!
//! Records are a third as long, and each buffer says where its fields are. A process that uses
//! this interface cannot use the other one, and the other way round
//! (`CUPTI_ERROR_NOT_COMPATIBLE`), so it is chosen only when asked for.
#![expect(unsafe_code, reason = "calls into a C library")]

use std::ptr;

use cupti_sys::{
    ActivityAttribute, ActivityConfig, ActivityKind, CUptiResult, FieldSelection, ThreadIdType,
};

use super::{Backend, SettingOutcome, Settings};
use crate::api::check;
use crate::buffer::{completed_v2, requested_v2};
use crate::layout_table::LayoutTable;
use crate::{
    Api, ApiCall, BufferSink, CallbackSink, CompletedBuffer, Error, Flush, Layouts, Record,
    SubscribeOptions, Subscription,
};

/// Records activities as user-defined records, as one subscriber.
#[derive(Debug)]
pub struct UserDefined<'api> {
    subscription: Subscription<'api>,
    table: &'static LayoutTable,
    requested: cupti_sys::BufferRequestedV2Fn,
    completed: cupti_sys::BufferCompletedV2Fn,
}

// SAFETY: the subscription is used through `&self` only for calls that CUPTI allows from any
// thread; everything else is immutable.
unsafe impl Sync for UserDefined<'_> {}

impl<'api> UserDefined<'api> {
    /// Subscribes and turns user-defined records on. Buffers come from and go to `S`, which must
    /// have a layout table; other callbacks go to `C`.
    ///
    /// # Errors
    /// When the release is older than 13.3, another profiler is in the way, or the process already
    /// uses the process-wide interface.
    pub fn subscribe<S: BufferSink, C: CallbackSink>(
        api: &'api Api,
        options: SubscribeOptions<'_>,
    ) -> Result<Self, Error> {
        // 13.2 has the interface, but its buffers do not say where the fields are. 13.3 brought
        // this function along with that.
        api.need("cuptiGetTimestamp_v2", api.functions().get_timestamp_v2)?;
        let table = S::layout_table().ok_or_else(|| Error::MissingFunction {
            function: "BufferSink::layout_table",
            library: api.path().to_owned(),
        })?;
        let subscription = Subscription::hold_named::<C>(api, options)?;
        let backend = Self {
            subscription,
            table,
            requested: requested_v2::<S>,
            completed: completed_v2::<S>,
        };
        backend.set(ActivityAttribute::USER_DEFINED_RECORDS, &mut 1_u8)?;
        Ok(backend)
    }

    /// The subscription, for resource callbacks.
    pub fn subscription(&self) -> &Subscription<'api> {
        &self.subscription
    }

    fn api(&self) -> &'api Api {
        self.subscription.api()
    }

    fn set<T>(&self, attribute: ActivityAttribute, value: &mut T) -> Result<(), Error> {
        let name = "cuptiActivitySetAttribute_v2";
        let call = self.api().need(name, self.api().functions().activity_set_attribute_v2)?;
        let mut bytes = size_of::<T>();
        // SAFETY: the value is readable and writable for the length passed with it.
        let result = unsafe {
            call(self.subscription.handle(), attribute, &raw mut bytes, ptr::from_mut(value).cast())
        };
        check(name, result)
    }
}

impl Backend for UserDefined<'_> {
    fn name(&self) -> &'static str {
        "user-defined"
    }

    fn configure(&self, settings: &Settings) -> Vec<SettingOutcome> {
        let mut outcomes = settings
            .apply(&|attribute| self.set(attribute, &mut 1_u8), &|attribute, value| {
                self.set(attribute, &mut { value })
            });
        if settings.system_thread_ids {
            let result =
                self.set(ActivityAttribute::THREAD_ID_TYPE, &mut { ThreadIdType::SYSTEM.0 });
            outcomes.push(SettingOutcome { name: "system thread ids", result });
        }
        if settings.latency_timestamps {
            // The selection leaves these fields out: they would grow every record for a drill.
            let kind = ActivityKind::CONCURRENT_KERNEL;
            let result = Err(Error::NotSelectable { kind });
            outcomes.push(SettingOutcome { name: "latency timestamps", result });
        }
        outcomes
    }

    fn register(&self) -> Result<(), Error> {
        let name = "cuptiActivityRegisterCallbacks_v2";
        let functions = self.api().functions();
        let call = self.api().need(name, functions.activity_register_callbacks_v2)?;
        // SAFETY: both are functions of the types the library calls, and functions never go away.
        check(name, unsafe { call(self.subscription.handle(), self.requested, self.completed) })
    }

    fn enable(&self, kind: ActivityKind, dump: bool) -> Result<(), Error> {
        let (name, function) = if dump {
            ("cuptiActivityEnableAndDump_v2", self.api().functions().activity_enable_and_dump_v2)
        } else {
            ("cuptiActivityEnable_v2", self.api().functions().activity_enable_v2)
        };
        let call = self.api().need(name, function)?;
        let enable = |with_extras| {
            let mut field_ids =
                Record::selection(kind, with_extras).ok_or(Error::NotSelectable { kind })?;
            let mut config = ActivityConfig {
                struct_size: ActivityConfig::SIZE_13_2,
                field_selection: FieldSelection {
                    struct_size: size_of::<FieldSelection>(),
                    n_fields: field_ids.len(),
                    field_ids: field_ids.as_mut_ptr(),
                },
                kind_options: ptr::null_mut(),
            };
            // SAFETY: the configuration and the list are valid during the call.
            check(name, unsafe { call(self.subscription.handle(), kind, &raw mut config) })
        };
        match enable(true) {
            // An older release refuses fields that it does not know.
            Err(Error::Call { result: CUptiResult::ERROR_INVALID_PARAMETER, .. }) => enable(false),
            outcome => outcome,
        }
    }

    fn disable(&self, kind: ActivityKind) -> Result<(), Error> {
        let name = "cuptiActivityDisable_v2";
        let call = self.api().need(name, self.api().functions().activity_disable_v2)?;
        // SAFETY: the configuration may be null.
        check(name, unsafe { call(self.subscription.handle(), kind, ptr::null_mut()) })
    }

    fn record_call(&self, api_call: ApiCall, on: bool) -> Result<(), Error> {
        let functions = self.api().functions();
        let (name, function, cbid) = match api_call {
            ApiCall::Runtime(cbid) => {
                ("cuptiActivityEnableRuntimeApi_v2", functions.activity_enable_runtime_api_v2, cbid)
            }
            ApiCall::Driver(cbid) => {
                ("cuptiActivityEnableDriverApi_v2", functions.activity_enable_driver_api_v2, cbid)
            }
        };
        let call = self.api().need(name, function)?;
        // SAFETY: takes this subscription's handle and numbers.
        check(name, unsafe { call(self.subscription.handle(), cbid, u8::from(on)) })
    }

    fn flush(&self, flush: Flush) -> Result<(), Error> {
        self.api().flush(flush)
    }

    fn take_dropped_records(&self) -> Result<u64, Error> {
        let name = "cuptiActivityGetNumDroppedRecords_v2";
        let functions = self.api().functions();
        let call = self.api().need(name, functions.activity_get_num_dropped_records_v2)?;
        let mut dropped = 0;
        // SAFETY: a null context asks for all; the pointer is writable.
        let result =
            unsafe { call(self.subscription.handle(), ptr::null_mut(), 0, &raw mut dropped) };
        check(name, result)?;
        Ok(dropped as u64)
    }

    fn timestamp_ns(&self) -> Result<u64, Error> {
        let name = "cuptiGetTimestamp_v2";
        let call = self.api().need(name, self.api().functions().get_timestamp_v2)?;
        let mut timestamp = 0;
        // SAFETY: the pointer is writable.
        check(name, unsafe { call(self.subscription.handle(), &raw mut timestamp) })?;
        Ok(timestamp)
    }

    fn layouts(&self, buffer: &CompletedBuffer) -> Option<&Layouts> {
        self.table.layouts(buffer.layout()?)
    }
}

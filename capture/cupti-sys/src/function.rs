//! Function types, and the table of symbols.
//!
//! `cuptiFinalize` is left out on purpose: it tears the library down under the application's feet
//! and is not called in a serving process.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::callback::CallbackDomain;
use crate::kind::ActivityKind;
use crate::params::{
    ActivityConfig, BufferCompleteInfo, BufferRequestInfo, SubscriberHandle, SubscriberParams,
};
use crate::result::CUptiResult;
use crate::toolkit::Toolkit;
use crate::values::{ActivityAttribute, ExternalCorrelationKind, ThreadIdType};

/// Receives callbacks: user data, domain, callback id, data by domain. C: `CUpti_CallbackFunc`.
pub type CallbackFn = unsafe extern "C" fn(*mut c_void, CallbackDomain, u32, *const c_void);

/// Asked for a buffer: address, capacity, most records. C: `CUpti_BuffersCallbackRequestFunc`.
pub type BufferRequestedFn = unsafe extern "C" fn(*mut *mut u8, *mut usize, *mut usize);

/// Given a buffer back: context, stream id, address, capacity, valid bytes.
/// C: `CUpti_BuffersCallbackCompleteFunc`.
pub type BufferCompletedFn = unsafe extern "C" fn(*mut c_void, u32, *mut u8, usize, usize);

/// As [`BufferRequestedFn`] for one subscriber. C: `CUpti_BuffersCallbackRequestFunc_v2`.
pub type BufferRequestedV2Fn =
    unsafe extern "C" fn(*mut *mut u8, *mut usize, *mut usize, *mut BufferRequestInfo);

/// As [`BufferCompletedFn`] for one subscriber. C: `CUpti_BuffersCallbackCompleteFunc_v2`.
pub type BufferCompletedV2Fn = unsafe extern "C" fn(*mut u8, usize, usize, *mut BufferCompleteInfo);

/// One exported function of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: &'static str,
    /// The first compared toolkit that has it.
    pub since: Toolkit,
    /// Argument types, as this crate writes them.
    pub arguments: &'static [&'static str],
}

macro_rules! symbols {
    ($( $(#[$meta:meta])* $field:ident: $alias:ident = $name:literal, $since:ident, ($($arg:ty),*) $(-> $ret:ty)?; )*) => {
        $(
            $(#[$meta])*
            #[doc = concat!("\n\nC: `", $name, "`.")]
            pub type $alias = unsafe extern "C" fn($($arg),*) $(-> $ret)?;
        )*

        /// Every function typed here, as facts to compare with headers and libraries.
        pub const SYMBOLS: &[Symbol] = &[
            $( Symbol {
                name: $name,
                since: crate::toolkit::$since,
                arguments: &[$(stringify!($arg)),*],
            }, )*
        ];

        /// The functions that one loaded library has.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Functions {
            $(
                #[doc = concat!("`", $name, "`, where the library has it.")]
                pub $field: Option<$alias>,
            )*
        }

        impl Functions {
            /// Resolves every function.
            ///
            /// # Safety
            /// For each name, `resolve` returns null or the address of the function of that name
            /// in a libcupti that is never unloaded.
            #[expect(unsafe_code, reason = "an address becomes a function here and nowhere else")]
            pub unsafe fn resolve(mut resolve: impl FnMut(&CStr) -> *const c_void) -> Self {
                Self {
                    $( $field: {
                        let name = const {
                            match CStr::from_bytes_with_nul(concat!($name, "\0").as_bytes()) {
                                Ok(name) => name,
                                Err(_) => panic!("symbol names contain no NUL"),
                            }
                        };
                        let address = resolve(name);
                        // SAFETY: `Option` of a function pointer is null or that address, and the
                        // caller vouches for the address. That the function of this name has this
                        // type is what the conformance test compares with the headers.
                        unsafe { std::mem::transmute::<*const c_void, Option<$alias>>(address) }
                    }, )*
                }
            }

            /// Names of the functions the library lacks.
            pub fn missing(&self) -> impl Iterator<Item = &'static str> {
                [$( (self.$field.is_none(), $name), )*]
                    .into_iter()
                    .filter_map(|(missing, name)| missing.then_some(name))
            }
        }
    };
}

symbols! {
    /// The API version; not a layout key.
    get_version: GetVersion = "cuptiGetVersion", CUDA_11_8, (*mut u32) -> CUptiResult;
    /// A result's name.
    get_result_string: GetResultString = "cuptiGetResultString", CUDA_11_8, (CUptiResult, *mut *const c_char) -> CUptiResult;
    /// A sentence about a result.
    get_error_message: GetErrorMessage = "cuptiGetErrorMessage", CUDA_12_4, (CUptiResult, *mut *const c_char) -> CUptiResult;
    /// Takes and clears the last background error.
    get_last_error: GetLastError = "cuptiGetLastError", CUDA_11_8, () -> CUptiResult;
    /// Now, on the library's clock, in nanoseconds.
    get_timestamp: GetTimestamp = "cuptiGetTimestamp", CUDA_11_8, (*mut u64) -> CUptiResult;

    /// Becomes the process's subscriber.
    subscribe: Subscribe = "cuptiSubscribe", CUDA_11_8, (*mut SubscriberHandle, CallbackFn, *mut c_void) -> CUptiResult;
    /// Gives the subscription up.
    unsubscribe: Unsubscribe = "cuptiUnsubscribe", CUDA_11_8, (SubscriberHandle) -> CUptiResult;
    /// Turns one callback on or off.
    enable_callback: EnableCallback = "cuptiEnableCallback", CUDA_11_8, (u32, SubscriberHandle, CallbackDomain, u32) -> CUptiResult;
    /// The name of a callback or API id.
    get_callback_name: GetCallbackName = "cuptiGetCallbackName", CUDA_11_8, (CallbackDomain, u32, *mut *const c_char) -> CUptiResult;

    /// Turns a kind on.
    activity_enable: ActivityEnable = "cuptiActivityEnable", CUDA_11_8, (ActivityKind) -> CUptiResult;
    /// Turns a kind on and replays what exists already (devices, contexts, streams).
    activity_enable_and_dump: ActivityEnableAndDump = "cuptiActivityEnableAndDump", CUDA_11_8, (ActivityKind) -> CUptiResult;
    /// Turns a kind off.
    activity_disable: ActivityDisable = "cuptiActivityDisable", CUDA_11_8, (ActivityKind) -> CUptiResult;
    /// Sets the process's buffer callbacks.
    activity_register_callbacks: ActivityRegisterCallbacks = "cuptiActivityRegisterCallbacks", CUDA_11_8, (BufferRequestedFn, BufferCompletedFn) -> CUptiResult;
    /// Delivers complete buffers, or with `FORCED` all buffers.
    activity_flush_all: ActivityFlushAll = "cuptiActivityFlushAll", CUDA_11_8, (u32) -> CUptiResult;
    /// Delivers full buffers every so many milliseconds.
    activity_flush_period: ActivityFlushPeriod = "cuptiActivityFlushPeriod", CUDA_11_8, (u32) -> CUptiResult;
    /// Steps through a buffer.
    activity_get_next_record: ActivityGetNextRecord = "cuptiActivityGetNextRecord", CUDA_11_8, (*mut u8, usize, *mut *mut u8) -> CUptiResult;
    /// Takes and clears the count of records dropped for want of a buffer.
    activity_get_num_dropped_records: ActivityGetNumDroppedRecords = "cuptiActivityGetNumDroppedRecords", CUDA_11_8, (*mut c_void, u32, *mut usize) -> CUptiResult;
    /// Reads a setting.
    activity_get_attribute: ActivityGetAttribute = "cuptiActivityGetAttribute", CUDA_11_8, (ActivityAttribute, *mut usize, *mut c_void) -> CUptiResult;
    /// Writes a setting.
    activity_set_attribute: ActivitySetAttribute = "cuptiActivitySetAttribute", CUDA_11_8, (ActivityAttribute, *mut usize, *mut c_void) -> CUptiResult;
    /// Chooses the thread id of API records.
    set_thread_id_type: SetThreadIdType = "cuptiSetThreadIdType", CUDA_11_8, (ThreadIdType) -> CUptiResult;
    /// Fills the queued and submitted times of kernels.
    activity_enable_latency_timestamps: ActivityEnableLatencyTimestamps = "cuptiActivityEnableLatencyTimestamps", CUDA_11_8, (u8) -> CUptiResult;
    /// Pushes an external correlation id on the calling thread.
    activity_push_external_correlation_id: ActivityPushExternalCorrelationId = "cuptiActivityPushExternalCorrelationId", CUDA_11_8, (ExternalCorrelationKind, u64) -> CUptiResult;
    /// Pops it.
    activity_pop_external_correlation_id: ActivityPopExternalCorrelationId = "cuptiActivityPopExternalCorrelationId", CUDA_11_8, (ExternalCorrelationKind, *mut u64) -> CUptiResult;

    /// The id of a context.
    get_context_id: GetContextId = "cuptiGetContextId", CUDA_11_8, (*mut c_void, *mut u32) -> CUptiResult;
    /// The device of a context.
    get_device_id: GetDeviceId = "cuptiGetDeviceId", CUDA_11_8, (*mut c_void, *mut u32) -> CUptiResult;
    /// The id of a stream.
    get_stream_id_ex: GetStreamIdEx = "cuptiGetStreamIdEx", CUDA_11_8, (*mut c_void, *mut c_void, u8, *mut u32) -> CUptiResult;
    /// The id of a graph.
    get_graph_id: GetGraphId = "cuptiGetGraphId", CUDA_11_8, (*mut c_void, *mut u32) -> CUptiResult;
    /// The id of a graph node.
    get_graph_node_id: GetGraphNodeId = "cuptiGetGraphNodeId", CUDA_11_8, (*mut c_void, *mut u64) -> CUptiResult;
    /// The id of an instantiated graph.
    get_graph_exec_id: GetGraphExecId = "cuptiGetGraphExecId", CUDA_12_4, (*mut c_void, *mut u32) -> CUptiResult;

    /// Turns records of graphs launched from the device on.
    activity_enable_device_graph: ActivityEnableDeviceGraph = "cuptiActivityEnableDeviceGraph", CUDA_12_4, (u8) -> CUptiResult;
    /// Turns the record of one driver call on or off.
    activity_enable_driver_api: ActivityEnableDriverApi = "cuptiActivityEnableDriverApi", CUDA_12_6, (u32, u8) -> CUptiResult;
    /// Turns the record of one runtime call on or off.
    activity_enable_runtime_api: ActivityEnableRuntimeApi = "cuptiActivityEnableRuntimeApi", CUDA_12_6, (u32, u8) -> CUptiResult;
    /// Records synchronizations that did not have to wait, too.
    activity_enable_all_sync_records: ActivityEnableAllSyncRecords = "cuptiActivityEnableAllSyncRecords", CUDA_12_8, (u8) -> CUptiResult;
    /// Hardware event system; Blackwell and later, irreversible.
    activity_enable_hw_trace: ActivityEnableHWTrace = "cuptiActivityEnableHWTrace", CUDA_12_8, (u8) -> CUptiResult;
    /// Fills the device time of event records.
    activity_enable_cuda_event_device_timestamps: ActivityEnableCudaEventDeviceTimestamps = "cuptiActivityEnableCudaEventDeviceTimestamps", CUDA_13_0, (u8) -> CUptiResult;

    /// As [`Subscribe`], with a name and a say about sharing.
    subscribe_v2: SubscribeV2 = "cuptiSubscribe_v2", CUDA_13_0, (*mut SubscriberHandle, CallbackFn, *mut c_void, *mut SubscriberParams) -> CUptiResult;
    /// As [`ActivityRegisterCallbacks`] for one subscriber.
    activity_register_callbacks_v2: ActivityRegisterCallbacksV2 = "cuptiActivityRegisterCallbacks_v2", CUDA_13_2, (SubscriberHandle, BufferRequestedV2Fn, BufferCompletedV2Fn) -> CUptiResult;
    /// As [`ActivityEnable`] for one subscriber, with the fields wanted.
    activity_enable_v2: ActivityEnableV2 = "cuptiActivityEnable_v2", CUDA_13_2, (SubscriberHandle, ActivityKind, *mut ActivityConfig) -> CUptiResult;
    /// As [`ActivityEnableAndDump`] for one subscriber.
    activity_enable_and_dump_v2: ActivityEnableAndDumpV2 = "cuptiActivityEnableAndDump_v2", CUDA_13_2, (SubscriberHandle, ActivityKind, *mut ActivityConfig) -> CUptiResult;
    /// As [`ActivityDisable`] for one subscriber.
    activity_disable_v2: ActivityDisableV2 = "cuptiActivityDisable_v2", CUDA_13_2, (SubscriberHandle, ActivityKind, *mut ActivityConfig) -> CUptiResult;
    /// As [`ActivitySetAttribute`] for one subscriber.
    activity_set_attribute_v2: ActivitySetAttributeV2 = "cuptiActivitySetAttribute_v2", CUDA_13_2, (SubscriberHandle, ActivityAttribute, *mut usize, *mut c_void) -> CUptiResult;
    /// As [`ActivityGetAttribute`] for one subscriber.
    activity_get_attribute_v2: ActivityGetAttributeV2 = "cuptiActivityGetAttribute_v2", CUDA_13_2, (SubscriberHandle, ActivityAttribute, *mut usize, *mut c_void) -> CUptiResult;
    /// The length of a kind's predefined record; version 0 means this library's own.
    activity_get_struct_size: ActivityGetStructSize = "cuptiActivityGetStructSize", CUDA_13_2, (ActivityKind, u32, *mut usize) -> CUptiResult;
    /// Kinds enabled by one subscriber, or by all.
    activity_get_enabled_kinds: ActivityGetEnabledKinds = "cuptiActivityGetEnabledKinds", CUDA_13_2, (SubscriberHandle, *mut ActivityKind, *mut u32, *mut u32) -> CUptiResult;
    /// As [`GetTimestamp`] for one subscriber.
    get_timestamp_v2: GetTimestampV2 = "cuptiGetTimestamp_v2", CUDA_13_3, (SubscriberHandle, *mut u64) -> CUptiResult;
    /// As [`ActivityGetNumDroppedRecords`] for one subscriber.
    activity_get_num_dropped_records_v2: ActivityGetNumDroppedRecordsV2 = "cuptiActivityGetNumDroppedRecords_v2", CUDA_13_3, (SubscriberHandle, *mut c_void, u32, *mut usize) -> CUptiResult;
    /// As [`ActivityEnableDriverApi`] for one subscriber.
    activity_enable_driver_api_v2: ActivityEnableDriverApiV2 = "cuptiActivityEnableDriverApi_v2", CUDA_13_3, (SubscriberHandle, u32, u8) -> CUptiResult;
    /// As [`ActivityEnableRuntimeApi`] for one subscriber.
    activity_enable_runtime_api_v2: ActivityEnableRuntimeApiV2 = "cuptiActivityEnableRuntimeApi_v2", CUDA_13_3, (SubscriberHandle, u32, u8) -> CUptiResult;

    /// Hands the NVTX injection on to the library.
    nvtx_initialize2: NvtxInitialize2 = "cuptiNvtxInitialize2", CUDA_11_8, (*const c_void) -> c_int;
}

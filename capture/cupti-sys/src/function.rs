//! Function types, and the table of symbols.
//!
//! `cuptiFinalize` is left out on purpose: it tears the library down under the application's feet
//! and is not called in a serving process.

use std::ffi::{c_char, c_int, c_void};

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
    ($( $(#[$meta:meta])* $alias:ident = $name:literal, $since:ident, ($($arg:ty),*) $(-> $ret:ty)?; )*) => {
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
    };
}

symbols! {
    /// The API version; not a layout key.
    GetVersion = "cuptiGetVersion", CUDA_11_8, (*mut u32) -> CUptiResult;
    /// A result's name.
    GetResultString = "cuptiGetResultString", CUDA_11_8, (CUptiResult, *mut *const c_char) -> CUptiResult;
    /// A sentence about a result.
    GetErrorMessage = "cuptiGetErrorMessage", CUDA_12_4, (CUptiResult, *mut *const c_char) -> CUptiResult;
    /// Takes and clears the last background error.
    GetLastError = "cuptiGetLastError", CUDA_11_8, () -> CUptiResult;
    /// Now, on the library's clock, in nanoseconds.
    GetTimestamp = "cuptiGetTimestamp", CUDA_11_8, (*mut u64) -> CUptiResult;

    /// Becomes the process's subscriber.
    Subscribe = "cuptiSubscribe", CUDA_11_8, (*mut SubscriberHandle, CallbackFn, *mut c_void) -> CUptiResult;
    /// Gives the subscription up.
    Unsubscribe = "cuptiUnsubscribe", CUDA_11_8, (SubscriberHandle) -> CUptiResult;
    /// Turns one callback on or off.
    EnableCallback = "cuptiEnableCallback", CUDA_11_8, (u32, SubscriberHandle, CallbackDomain, u32) -> CUptiResult;
    /// The name of a callback or API id.
    GetCallbackName = "cuptiGetCallbackName", CUDA_11_8, (CallbackDomain, u32, *mut *const c_char) -> CUptiResult;

    /// Turns a kind on.
    ActivityEnable = "cuptiActivityEnable", CUDA_11_8, (ActivityKind) -> CUptiResult;
    /// Turns a kind on and replays what exists already (devices, contexts, streams).
    ActivityEnableAndDump = "cuptiActivityEnableAndDump", CUDA_11_8, (ActivityKind) -> CUptiResult;
    /// Turns a kind off.
    ActivityDisable = "cuptiActivityDisable", CUDA_11_8, (ActivityKind) -> CUptiResult;
    /// Sets the process's buffer callbacks.
    ActivityRegisterCallbacks = "cuptiActivityRegisterCallbacks", CUDA_11_8, (BufferRequestedFn, BufferCompletedFn) -> CUptiResult;
    /// Delivers complete buffers, or with `FORCED` all buffers.
    ActivityFlushAll = "cuptiActivityFlushAll", CUDA_11_8, (u32) -> CUptiResult;
    /// Delivers full buffers every so many milliseconds.
    ActivityFlushPeriod = "cuptiActivityFlushPeriod", CUDA_11_8, (u32) -> CUptiResult;
    /// Steps through a buffer.
    ActivityGetNextRecord = "cuptiActivityGetNextRecord", CUDA_11_8, (*mut u8, usize, *mut *mut u8) -> CUptiResult;
    /// Takes and clears the count of records dropped for want of a buffer.
    ActivityGetNumDroppedRecords = "cuptiActivityGetNumDroppedRecords", CUDA_11_8, (*mut c_void, u32, *mut usize) -> CUptiResult;
    /// Reads a setting.
    ActivityGetAttribute = "cuptiActivityGetAttribute", CUDA_11_8, (ActivityAttribute, *mut usize, *mut c_void) -> CUptiResult;
    /// Writes a setting.
    ActivitySetAttribute = "cuptiActivitySetAttribute", CUDA_11_8, (ActivityAttribute, *mut usize, *mut c_void) -> CUptiResult;
    /// Chooses the thread id of API records.
    SetThreadIdType = "cuptiSetThreadIdType", CUDA_11_8, (ThreadIdType) -> CUptiResult;
    /// Fills the queued and submitted times of kernels.
    ActivityEnableLatencyTimestamps = "cuptiActivityEnableLatencyTimestamps", CUDA_11_8, (u8) -> CUptiResult;
    /// Pushes an external correlation id on the calling thread.
    ActivityPushExternalCorrelationId = "cuptiActivityPushExternalCorrelationId", CUDA_11_8, (ExternalCorrelationKind, u64) -> CUptiResult;
    /// Pops it.
    ActivityPopExternalCorrelationId = "cuptiActivityPopExternalCorrelationId", CUDA_11_8, (ExternalCorrelationKind, *mut u64) -> CUptiResult;

    /// The id of a context.
    GetContextId = "cuptiGetContextId", CUDA_11_8, (*mut c_void, *mut u32) -> CUptiResult;
    /// The device of a context.
    GetDeviceId = "cuptiGetDeviceId", CUDA_11_8, (*mut c_void, *mut u32) -> CUptiResult;
    /// The id of a stream.
    GetStreamIdEx = "cuptiGetStreamIdEx", CUDA_11_8, (*mut c_void, *mut c_void, u8, *mut u32) -> CUptiResult;
    /// The id of a graph.
    GetGraphId = "cuptiGetGraphId", CUDA_11_8, (*mut c_void, *mut u32) -> CUptiResult;
    /// The id of a graph node.
    GetGraphNodeId = "cuptiGetGraphNodeId", CUDA_11_8, (*mut c_void, *mut u64) -> CUptiResult;
    /// The id of an instantiated graph.
    GetGraphExecId = "cuptiGetGraphExecId", CUDA_12_4, (*mut c_void, *mut u32) -> CUptiResult;

    /// Turns records of graphs launched from the device on.
    ActivityEnableDeviceGraph = "cuptiActivityEnableDeviceGraph", CUDA_12_4, (u8) -> CUptiResult;
    /// Turns the record of one driver call on or off.
    ActivityEnableDriverApi = "cuptiActivityEnableDriverApi", CUDA_12_6, (u32, u8) -> CUptiResult;
    /// Turns the record of one runtime call on or off.
    ActivityEnableRuntimeApi = "cuptiActivityEnableRuntimeApi", CUDA_12_6, (u32, u8) -> CUptiResult;
    /// Records synchronizations that did not have to wait, too.
    ActivityEnableAllSyncRecords = "cuptiActivityEnableAllSyncRecords", CUDA_12_8, (u8) -> CUptiResult;
    /// Hardware event system; Blackwell and later, irreversible.
    ActivityEnableHWTrace = "cuptiActivityEnableHWTrace", CUDA_12_8, (u8) -> CUptiResult;
    /// Fills the device time of event records.
    ActivityEnableCudaEventDeviceTimestamps = "cuptiActivityEnableCudaEventDeviceTimestamps", CUDA_13_0, (u8) -> CUptiResult;

    /// As [`Subscribe`], with a name and a say about sharing.
    SubscribeV2 = "cuptiSubscribe_v2", CUDA_13_0, (*mut SubscriberHandle, CallbackFn, *mut c_void, *mut SubscriberParams) -> CUptiResult;
    /// As [`ActivityRegisterCallbacks`] for one subscriber.
    ActivityRegisterCallbacksV2 = "cuptiActivityRegisterCallbacks_v2", CUDA_13_2, (SubscriberHandle, BufferRequestedV2Fn, BufferCompletedV2Fn) -> CUptiResult;
    /// As [`ActivityEnable`] for one subscriber, with the fields wanted.
    ActivityEnableV2 = "cuptiActivityEnable_v2", CUDA_13_2, (SubscriberHandle, ActivityKind, *mut ActivityConfig) -> CUptiResult;
    /// As [`ActivityEnableAndDump`] for one subscriber.
    ActivityEnableAndDumpV2 = "cuptiActivityEnableAndDump_v2", CUDA_13_2, (SubscriberHandle, ActivityKind, *mut ActivityConfig) -> CUptiResult;
    /// As [`ActivityDisable`] for one subscriber.
    ActivityDisableV2 = "cuptiActivityDisable_v2", CUDA_13_2, (SubscriberHandle, ActivityKind, *mut ActivityConfig) -> CUptiResult;
    /// As [`ActivitySetAttribute`] for one subscriber.
    ActivitySetAttributeV2 = "cuptiActivitySetAttribute_v2", CUDA_13_2, (SubscriberHandle, ActivityAttribute, *mut usize, *mut c_void) -> CUptiResult;
    /// As [`ActivityGetAttribute`] for one subscriber.
    ActivityGetAttributeV2 = "cuptiActivityGetAttribute_v2", CUDA_13_2, (SubscriberHandle, ActivityAttribute, *mut usize, *mut c_void) -> CUptiResult;
    /// The length of a kind's predefined record; version 0 means this library's own.
    ActivityGetStructSize = "cuptiActivityGetStructSize", CUDA_13_2, (ActivityKind, u32, *mut usize) -> CUptiResult;
    /// Whether any subscriber traces now.
    IsTracingSessionRunning = "cuptiIsTracingSessionRunning", CUDA_13_2, (*mut u8) -> CUptiResult;
    /// Kinds enabled by one subscriber, or by all.
    ActivityGetEnabledKinds = "cuptiActivityGetEnabledKinds", CUDA_13_2, (SubscriberHandle, *mut ActivityKind, *mut u32, *mut u32) -> CUptiResult;
    /// As [`GetTimestamp`] for one subscriber.
    GetTimestampV2 = "cuptiGetTimestamp_v2", CUDA_13_3, (SubscriberHandle, *mut u64) -> CUptiResult;
    /// As [`ActivityGetNumDroppedRecords`] for one subscriber.
    ActivityGetNumDroppedRecordsV2 = "cuptiActivityGetNumDroppedRecords_v2", CUDA_13_3, (SubscriberHandle, *mut c_void, u32, *mut usize) -> CUptiResult;
    /// As [`ActivityEnableDriverApi`] for one subscriber.
    ActivityEnableDriverApiV2 = "cuptiActivityEnableDriverApi_v2", CUDA_13_3, (SubscriberHandle, u32, u8) -> CUptiResult;
    /// As [`ActivityEnableRuntimeApi`] for one subscriber.
    ActivityEnableRuntimeApiV2 = "cuptiActivityEnableRuntimeApi_v2", CUDA_13_3, (SubscriberHandle, u32, u8) -> CUptiResult;

    /// Hands the NVTX injection on to the library.
    NvtxInitialize2 = "cuptiNvtxInitialize2", CUDA_11_8, (*const c_void) -> c_int;
}

//! One loaded libcupti, with its functions as methods.
#![expect(unsafe_code, reason = "calls into a C library")]

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr;

use cupti_sys::{
    ActivityAttribute, ActivityKind, CUptiResult, CallbackDomain, ExternalCorrelationKind,
    FlushFlag, Functions, ThreadIdType,
};

use crate::{Error, Library, Origin};

/// Which API a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiCall {
    /// A call of the CUDA runtime, see [`cupti_sys::RuntimeCbid`].
    Runtime(u32),
    /// A call of the CUDA driver, see [`cupti_sys::DriverCbid`].
    Driver(u32),
}

/// How much of what is buffered a flush delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flush {
    /// Buffers whose records are all complete.
    Complete,
    /// Everything; running kernels come with an end of 0 and never again. For the exit only.
    Forced,
}

/// One loaded libcupti.
///
/// A function that the library lacks is an [`Error::MissingFunction`] when it is needed. Methods
/// take no locks and allocate only for errors, but the library's own functions do as they like:
/// none may be called from a buffer callback.
#[derive(Debug)]
pub struct Api {
    library: Library,
    functions: Functions,
}

impl Api {
    /// Resolves the functions of `library`.
    ///
    /// # Safety
    /// `library` is a libcupti, or a stand-in with the same interface: functions of those names
    /// have those types.
    pub unsafe fn new(library: Library) -> Self {
        // SAFETY: `Library` resolves by name and never unloads; the caller vouches for the types.
        let functions = unsafe { Functions::resolve(|name| library.symbol(name)) };
        Self { library, functions }
    }

    /// The raw functions.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Where the library was loaded from.
    pub fn path(&self) -> &Path {
        self.library.path()
    }

    /// How the library was found.
    pub fn origin(&self) -> Origin {
        self.library.origin()
    }

    /// The API version. Not a layout key: 11.8, 12.0 and 12.1 all say 18.
    ///
    /// # Errors
    /// When the call fails; 13.3 and later need a driver even for this.
    pub fn version(&self) -> Result<u32, Error> {
        let call = self.need("cuptiGetVersion", self.functions.get_version)?;
        let mut version = 0;
        // SAFETY: the pointer is writable.
        check("cuptiGetVersion", unsafe { call(&raw mut version) })?;
        Ok(version)
    }

    /// Now, on the library's clock, in nanoseconds.
    ///
    /// # Errors
    /// When the call fails.
    pub fn timestamp_ns(&self) -> Result<u64, Error> {
        let call = self.need("cuptiGetTimestamp", self.functions.get_timestamp)?;
        let mut timestamp = 0;
        // SAFETY: the pointer is writable.
        check("cuptiGetTimestamp", unsafe { call(&raw mut timestamp) })?;
        Ok(timestamp)
    }

    /// Takes the last error that happened in the background.
    pub fn take_background_error(&self) -> Option<CUptiResult> {
        // SAFETY: the function takes nothing.
        let result = unsafe { self.functions.get_last_error?() };
        (!result.is_success()).then_some(result)
    }

    /// Turns `kind` on; with `dump`, what exists already (devices, contexts, streams) is replayed.
    ///
    /// # Errors
    /// When the call fails; `INVALID_KIND` says that this release does not have the kind.
    pub fn enable(&self, kind: ActivityKind, dump: bool) -> Result<(), Error> {
        let (name, function) = if dump {
            ("cuptiActivityEnableAndDump", self.functions.activity_enable_and_dump)
        } else {
            ("cuptiActivityEnable", self.functions.activity_enable)
        };
        let call = self.need(name, function)?;
        // SAFETY: takes a number.
        check(name, unsafe { call(kind) })
    }

    /// Turns `kind` off.
    ///
    /// # Errors
    /// When the call fails.
    pub fn disable(&self, kind: ActivityKind) -> Result<(), Error> {
        let call = self.need("cuptiActivityDisable", self.functions.activity_disable)?;
        // SAFETY: takes a number.
        check("cuptiActivityDisable", unsafe { call(kind) })
    }

    /// Delivers buffers to the completed callback. Blocks; never from a callback.
    ///
    /// # Errors
    /// When the call fails.
    pub fn flush(&self, flush: Flush) -> Result<(), Error> {
        let call = self.need("cuptiActivityFlushAll", self.functions.activity_flush_all)?;
        let flag = match flush {
            Flush::Complete => 0,
            Flush::Forced => FlushFlag::FORCED.0,
        };
        // SAFETY: takes a number.
        check("cuptiActivityFlushAll", unsafe { call(flag) })
    }

    /// Takes the number of records that the library dropped since the last call for want of a
    /// buffer, over all contexts.
    ///
    /// # Errors
    /// When the call fails.
    pub fn take_dropped_records(&self) -> Result<u64, Error> {
        let name = "cuptiActivityGetNumDroppedRecords";
        let call = self.need(name, self.functions.activity_get_num_dropped_records)?;
        let mut dropped = 0;
        // SAFETY: a null context with stream 0 asks for records outside contexts and for global
        // buffers; the pointer is writable.
        check(name, unsafe { call(ptr::null_mut(), 0, &raw mut dropped) })?;
        Ok(dropped as u64)
    }

    /// Writes a setting whose value is one byte.
    ///
    /// # Errors
    /// When the call fails; `INVALID_PARAMETER` says that this release does not have the setting.
    pub fn set_flag(&self, attribute: ActivityAttribute, on: bool) -> Result<(), Error> {
        self.set(attribute, &mut u8::from(on))
    }

    /// Writes a setting whose value is a size.
    ///
    /// # Errors
    /// As [`Self::set_flag`].
    pub fn set_size(&self, attribute: ActivityAttribute, value: usize) -> Result<(), Error> {
        self.set(attribute, &mut { value })
    }

    fn set<T>(&self, attribute: ActivityAttribute, value: &mut T) -> Result<(), Error> {
        let name = "cuptiActivitySetAttribute";
        let call = self.need(name, self.functions.activity_set_attribute)?;
        let mut bytes = size_of::<T>();
        // SAFETY: the value is readable and writable for the length passed with it.
        check(name, unsafe { call(attribute, &raw mut bytes, ptr::from_mut(value).cast()) })
    }

    /// Chooses the thread id of API records.
    ///
    /// # Errors
    /// When the call fails.
    pub fn set_thread_id_type(&self, kind: ThreadIdType) -> Result<(), Error> {
        let call = self.need("cuptiSetThreadIdType", self.functions.set_thread_id_type)?;
        // SAFETY: takes a number.
        check("cuptiSetThreadIdType", unsafe { call(kind) })
    }

    /// Turns queued and submitted times of kernels on or off.
    ///
    /// # Errors
    /// When the call fails.
    pub fn set_latency_timestamps(&self, on: bool) -> Result<(), Error> {
        let name = "cuptiActivityEnableLatencyTimestamps";
        let call = self.need(name, self.functions.activity_enable_latency_timestamps)?;
        // SAFETY: takes a number.
        check(name, unsafe { call(u8::from(on)) })
    }

    /// Records synchronizations that did not have to wait, too. Since 12.8.
    ///
    /// # Errors
    /// When the call fails.
    pub fn set_all_sync_records(&self, on: bool) -> Result<(), Error> {
        let name = "cuptiActivityEnableAllSyncRecords";
        let call = self.need(name, self.functions.activity_enable_all_sync_records)?;
        // SAFETY: takes a number.
        check(name, unsafe { call(u8::from(on)) })
    }

    /// Turns the record of one call on or off, at the source. Since 12.5 or so.
    ///
    /// # Errors
    /// When the call fails.
    pub fn record_call(&self, api_call: ApiCall, on: bool) -> Result<(), Error> {
        let (name, function, cbid) = match api_call {
            ApiCall::Runtime(cbid) => {
                ("cuptiActivityEnableRuntimeApi", self.functions.activity_enable_runtime_api, cbid)
            }
            ApiCall::Driver(cbid) => {
                ("cuptiActivityEnableDriverApi", self.functions.activity_enable_driver_api, cbid)
            }
        };
        let call = self.need(name, function)?;
        // SAFETY: takes numbers.
        check(name, unsafe { call(cbid, u8::from(on)) })
    }

    /// Pushes an external correlation id on the calling thread.
    ///
    /// # Errors
    /// When the call fails.
    pub fn push_external_id(&self, kind: ExternalCorrelationKind, id: u64) -> Result<(), Error> {
        let name = "cuptiActivityPushExternalCorrelationId";
        let call = self.need(name, self.functions.activity_push_external_correlation_id)?;
        // SAFETY: takes numbers.
        check(name, unsafe { call(kind, id) })
    }

    /// Pops the last external correlation id of the calling thread.
    ///
    /// # Errors
    /// When the call fails, with `QUEUE_EMPTY` when there was none.
    pub fn pop_external_id(&self, kind: ExternalCorrelationKind) -> Result<u64, Error> {
        let name = "cuptiActivityPopExternalCorrelationId";
        let call = self.need(name, self.functions.activity_pop_external_correlation_id)?;
        let mut id = 0;
        // SAFETY: the pointer is writable.
        check(name, unsafe { call(kind, &raw mut id) })?;
        Ok(id)
    }

    /// The name of a runtime or driver call, such as `cudaLaunchKernel_v7000`.
    pub fn call_name(&self, api_call: ApiCall) -> Option<&CStr> {
        let (domain, cbid) = match api_call {
            ApiCall::Runtime(cbid) => (CallbackDomain::RUNTIME_API, cbid),
            ApiCall::Driver(cbid) => (CallbackDomain::DRIVER_API, cbid),
        };
        let call = self.functions.get_callback_name?;
        let mut name: *const c_char = ptr::null();
        // SAFETY: the pointer is writable.
        let result = unsafe { call(domain, cbid, &raw mut name) };
        if !result.is_success() || name.is_null() {
            return None;
        }
        // SAFETY: the library's names are static and NUL-terminated, and it is never unloaded.
        Some(unsafe { CStr::from_ptr(name) })
    }

    /// The id of a graph node, as in kernel records.
    ///
    /// # Safety
    /// `node` is a live `CUgraphNode`, as given to a graph callback during that callback.
    ///
    /// # Errors
    /// When the call fails.
    pub unsafe fn graph_node_id(&self, node: *mut c_void) -> Result<u64, Error> {
        let call = self.need("cuptiGetGraphNodeId", self.functions.get_graph_node_id)?;
        let mut id = 0;
        // SAFETY: the caller vouches for the node; the pointer is writable.
        check("cuptiGetGraphNodeId", unsafe { call(node, &raw mut id) })?;
        Ok(id)
    }

    /// The id of a graph.
    ///
    /// # Safety
    /// `graph` is a live `CUgraph`, as given to a graph callback during that callback.
    ///
    /// # Errors
    /// When the call fails.
    pub unsafe fn graph_id(&self, graph: *mut c_void) -> Result<u32, Error> {
        let call = self.need("cuptiGetGraphId", self.functions.get_graph_id)?;
        let mut id = 0;
        // SAFETY: the caller vouches for the graph; the pointer is writable.
        check("cuptiGetGraphId", unsafe { call(graph, &raw mut id) })?;
        Ok(id)
    }

    /// The id of an instantiated graph, as in kernel and graph records. Since 12.4.
    ///
    /// # Safety
    /// `exec` is a live `CUgraphExec`, as given to a graph callback during that callback.
    ///
    /// # Errors
    /// When the call fails.
    pub unsafe fn graph_exec_id(&self, exec: *mut c_void) -> Result<u32, Error> {
        let call = self.need("cuptiGetGraphExecId", self.functions.get_graph_exec_id)?;
        let mut id = 0;
        // SAFETY: the caller vouches for the graph; the pointer is writable.
        check("cuptiGetGraphExecId", unsafe { call(exec, &raw mut id) })?;
        Ok(id)
    }

    /// The id of a context, as in records.
    ///
    /// # Safety
    /// `context` is a live `CUcontext`, as given to a callback during that callback.
    ///
    /// # Errors
    /// When the call fails.
    pub unsafe fn context_id(&self, context: *mut c_void) -> Result<u32, Error> {
        let call = self.need("cuptiGetContextId", self.functions.get_context_id)?;
        let mut id = 0;
        // SAFETY: the caller vouches for the context; the pointer is writable.
        check("cuptiGetContextId", unsafe { call(context, &raw mut id) })?;
        Ok(id)
    }

    /// `function`, or the error that names it.
    pub(crate) fn need<F>(&self, name: &'static str, function: Option<F>) -> Result<F, Error> {
        function.ok_or_else(|| Error::MissingFunction {
            function: name,
            library: self.path().to_owned(),
        })
    }
}

/// Turns a result into a `Result`.
pub(crate) fn check(function: &'static str, result: CUptiResult) -> Result<(), Error> {
    if result.is_success() {
        Ok(())
    } else if result == CUptiResult::ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED {
        Err(Error::Subscribed { other: None })
    } else {
        Err(Error::Call { function, result })
    }
}

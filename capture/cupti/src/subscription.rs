//! Being the process's subscriber, and hearing of its modules, graphs and contexts.
//!
//! Only the domains `RESOURCE` and `STATE` can be turned on. The two API domains run code around
//! every call of the application, which no serving process can afford.
#![expect(unsafe_code, reason = "callbacks from a C library")]

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use cupti_sys::{
    CUptiResult, CallbackDomain, GraphData, ModuleResourceData, OLD_SUBSCRIBER_NAME_MIN,
    ResourceCallback, ResourceData, StateCallback, StateData, SubscriberHandle, SubscriberParams,
};

use crate::api::check;
use crate::buffer::guarded;
use crate::{Api, Error};

/// Longest machine code that is believed.
const MAX_CUBIN_BYTES: usize = 1 << 32;

/// Hears of resources and of errors inside the library.
///
/// Both functions run inside the library, on threads of the application. They may ask for ids of
/// what they are given, and must do nothing else with CUPTI or CUDA. Panics are caught and counted.
pub trait CallbackSink: 'static {
    /// A resource appeared or is about to go.
    fn resource(event: ResourceEvent<'_>);

    /// The library reports an error of its own.
    fn state(_event: StateEvent<'_>) {}
}

/// Something happened to a resource.
#[derive(Clone, Copy, Debug)]
pub struct ResourceEvent<'a> {
    /// What happened.
    pub callback: ResourceCallback,
    /// The `CUcontext`, null for some graph events.
    pub context: *mut c_void,
    /// The `CUstream` of stream events.
    pub stream: *mut c_void,
    /// More about modules and graphs.
    pub detail: ResourceDetail<'a>,
}

/// What a [`ResourceEvent`] is about.
#[derive(Clone, Copy, Debug)]
pub enum ResourceDetail<'a> {
    /// Nothing further.
    None,
    /// A module was loaded, profiled, or is about to be unloaded.
    Module {
        /// Its id.
        id: u32,
        /// Its machine code.
        cubin: &'a [u8],
    },
    /// A graph, a node or an executable graph.
    Graph(&'a GraphData),
}

/// The library reports an error of its own.
#[derive(Clone, Copy, Debug)]
pub struct StateEvent<'a> {
    /// How bad it is.
    pub callback: StateCallback,
    /// The error.
    pub result: CUptiResult,
    /// What the library says about it.
    pub message: Option<&'a CStr>,
}

/// How to subscribe.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubscribeOptions<'a> {
    /// A name for other profilers to see. Since 13.0.
    pub name: Option<&'a CStr>,
    /// Share the process with other subscribers that also ask for it. Since 13.2, and through the
    /// per-subscriber interface only.
    pub share: bool,
}

/// The process's subscription, held until dropped.
#[derive(Debug)]
pub struct Subscription<'api> {
    api: &'api Api,
    handle: SubscriberHandle,
    _not_sync: PhantomData<*mut c_void>,
}

// SAFETY: CUPTI's subscription functions may be called from any thread.
unsafe impl Send for Subscription<'_> {}

impl<'api> Subscription<'api> {
    /// Subscribes with the oldest interface, which every release has.
    ///
    /// While it is held, other profilers are refused; without it, they may take over.
    ///
    /// # Errors
    /// [`Error::Subscribed`] when another profiler was first.
    pub fn hold<C: CallbackSink>(api: &'api Api) -> Result<Self, Error> {
        let call = api.need("cuptiSubscribe", api.functions().subscribe)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the handle is writable, and `on_callback` has the type the library calls.
        let result = unsafe { call(&raw mut handle, on_callback::<C>, ptr::null_mut()) };
        check("cuptiSubscribe", result)?;
        Ok(Self { api, handle, _not_sync: PhantomData })
    }

    /// Subscribes with the interface of 13.0 and later.
    ///
    /// # Errors
    /// [`Error::Subscribed`], with a name, when another profiler was first.
    pub fn hold_named<C: CallbackSink>(
        api: &'api Api,
        options: SubscribeOptions<'_>,
    ) -> Result<Self, Error> {
        let call = api.need("cuptiSubscribe_v2", api.functions().subscribe_v2)?;
        let mut other = [0_u8; 2 * OLD_SUBSCRIBER_NAME_MIN];
        let mut params = SubscriberParams {
            struct_size: if options.share {
                SubscriberParams::SIZE_13_2
            } else {
                SubscriberParams::SIZE_13_0
            },
            subscriber_name: options.name.map_or(ptr::null(), CStr::as_ptr),
            old_subscriber_name: other.as_mut_ptr().cast::<c_char>(),
            old_subscriber_size: other.len(),
            allow_multiple_subscribers: u8::from(options.share),
            padding: [0; 7],
        };
        let mut handle = ptr::null_mut();
        // SAFETY: all pointers are valid during the call, and the name is NUL-terminated.
        let result =
            unsafe { call(&raw mut handle, on_callback::<C>, ptr::null_mut(), &raw mut params) };
        match check("cuptiSubscribe_v2", result) {
            Ok(()) => Ok(Self { api, handle, _not_sync: PhantomData }),
            Err(Error::Subscribed { .. }) => {
                let name = CStr::from_bytes_until_nul(&other).unwrap_or_default();
                let name = name.to_string_lossy().into_owned();
                Err(Error::Subscribed { other: (!name.is_empty()).then_some(name) })
            }
            Err(error) => Err(error),
        }
    }

    /// Turns one resource callback on or off.
    ///
    /// # Errors
    /// When the call fails.
    pub fn set_resource(&self, callback: ResourceCallback, on: bool) -> Result<(), Error> {
        self.set(CallbackDomain::RESOURCE, callback.0, on)
    }

    /// Turns reports of the library's own errors on or off. Since 12.4.
    ///
    /// # Errors
    /// When the call fails.
    pub fn set_state(&self, callback: StateCallback, on: bool) -> Result<(), Error> {
        self.set(CallbackDomain::STATE, callback.0, on)
    }

    /// The raw handle.
    pub(crate) fn handle(&self) -> SubscriberHandle {
        self.handle
    }

    /// The library.
    pub(crate) fn api(&self) -> &'api Api {
        self.api
    }

    fn set(&self, domain: CallbackDomain, id: u32, on: bool) -> Result<(), Error> {
        let name = "cuptiEnableCallback";
        let call = self.api.need(name, self.api.functions().enable_callback)?;
        // SAFETY: the handle is this subscription's own.
        check(name, unsafe { call(u32::from(on), self.handle, domain, id) })
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.api.functions().unsubscribe {
            // SAFETY: the handle is this subscription's own and not used afterwards. A failure
            // changes nothing for the caller.
            let _ = unsafe { call(self.handle) };
        }
    }
}

/// The callback for sink `C`. C: `CUpti_CallbackFunc`.
///
/// # Safety
/// The library passes data of the type that the domain and id call for.
unsafe extern "C" fn on_callback<C: CallbackSink>(
    _user: *mut c_void,
    domain: CallbackDomain,
    id: u32,
    data: *const c_void,
) {
    let Some(data) = NonNull::new(data.cast_mut()) else { return };
    guarded(move || {
        match domain {
            CallbackDomain::RESOURCE => {
                // SAFETY: the RESOURCE domain passes this type, alive during the call.
                let data = unsafe { data.cast::<ResourceData>().as_ref() };
                let callback = ResourceCallback(id);
                C::resource(ResourceEvent {
                    callback,
                    context: data.context,
                    stream: data.stream,
                    // SAFETY: the descriptor belongs to this callback.
                    detail: unsafe { detail_of(callback, data.descriptor) },
                });
            }
            CallbackDomain::STATE => {
                // SAFETY: the STATE domain passes this type, alive during the call.
                let data = unsafe { data.cast::<StateData>().as_ref() };
                let message = (!data.message.is_null())
                    // SAFETY: not null, so a NUL-terminated text, alive during the call.
                    .then(|| unsafe { CStr::from_ptr(data.message) });
                C::state(StateEvent { callback: StateCallback(id), result: data.result, message });
            }
            _ => {}
        }
        Some(())
    });
}

/// # Safety
/// `descriptor` is what the library passed with `callback`.
unsafe fn detail_of<'a>(callback: ResourceCallback, descriptor: *mut c_void) -> ResourceDetail<'a> {
    if descriptor.is_null() {
        return ResourceDetail::None;
    }
    match callback {
        ResourceCallback::MODULE_LOADED
        | ResourceCallback::MODULE_UNLOAD_STARTING
        | ResourceCallback::MODULE_PROFILED => {
            // SAFETY: module callbacks pass this type, alive during the call.
            let module = unsafe { &*descriptor.cast::<ModuleResourceData>() };
            let cubin: &[u8] = if module.cubin.is_null() || module.cubin_size > MAX_CUBIN_BYTES {
                &[]
            } else {
                // SAFETY: the library gives the code and its length, alive during the call.
                unsafe { slice::from_raw_parts(module.cubin.cast(), module.cubin_size) }
            };
            ResourceDetail::Module { id: module.module_id, cubin }
        }
        ResourceCallback::GRAPH_CREATED
        | ResourceCallback::GRAPH_DESTROY_STARTING
        | ResourceCallback::GRAPH_CLONED
        | ResourceCallback::GRAPHNODE_CREATE_STARTING
        | ResourceCallback::GRAPHNODE_CREATED
        | ResourceCallback::GRAPHNODE_DESTROY_STARTING
        | ResourceCallback::GRAPHNODE_DEPENDENCY_CREATED
        | ResourceCallback::GRAPHNODE_DEPENDENCY_DESTROY_STARTING
        | ResourceCallback::GRAPHEXEC_CREATE_STARTING
        | ResourceCallback::GRAPHEXEC_CREATED
        | ResourceCallback::GRAPHEXEC_DESTROY_STARTING
        | ResourceCallback::GRAPHNODE_CLONED => {
            // SAFETY: graph callbacks pass this type, alive during the call.
            ResourceDetail::Graph(unsafe { &*descriptor.cast::<GraphData>() })
        }
        _ => ResourceDetail::None,
    }
}

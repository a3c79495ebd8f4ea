//! Modules and their kernel names, and callbacks about resources.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use cupti_sys::{CallbackDomain, GraphData, ModuleResourceData, ResourceCallback, ResourceData};

use crate::state::{Settings, state};

/// Room for one module's kernel name.
const NAME_BYTES: usize = 1024;

/// What a name's memory holds after its module is gone.
const GONE: u8 = b'?';

#[derive(Debug)]
struct Module {
    id: u32,
    /// Index of its name's place, which a later module may get.
    place: usize,
}

#[derive(Debug, Default)]
struct Inner {
    modules: Vec<Module>,
    /// Never freed or moved: records point into them.
    places: Vec<&'static mut [u8; NAME_BYTES]>,
    free: Vec<usize>,
    next_id: u32,
}

/// All loaded modules, each with one kernel.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    inner: Mutex<Inner>,
}

impl Modules {
    /// Loads a module whose kernel has this name; the memory of an unloaded module's name is used
    /// again first.
    pub(crate) fn load(&self, name: &CStr) -> u32 {
        let id = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let place = inner.free.pop().unwrap_or_else(|| {
                inner.places.push(Box::leak(Box::new([0; NAME_BYTES])));
                inner.places.len() - 1
            });
            let bytes = &name.to_bytes()[..name.count_bytes().min(NAME_BYTES - 1)];
            inner.places[place].fill(0);
            inner.places[place][..bytes.len()].copy_from_slice(bytes);
            inner.next_id += 1;
            let id = inner.next_id;
            inner.modules.push(Module { id, place });
            id
        };
        module_event(ResourceCallback::MODULE_LOADED, id);
        id
    }

    /// The address of a module's kernel name.
    pub(crate) fn name(&self, id: u32) -> *const c_char {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .modules
            .iter()
            .find(|module| module.id == id)
            .map_or(ptr::null(), |module| inner.places[module.place].as_ptr().cast())
    }

    /// Unloads a module: its kernel's name is gone from memory afterwards.
    pub(crate) fn unload(&self, id: u32) {
        module_event(ResourceCallback::MODULE_UNLOAD_STARTING, id);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = inner.modules.iter().position(|module| module.id == id) {
            let place = inner.modules.remove(index).place;
            inner.places[place][..NAME_BYTES - 1].fill(GONE);
            inner.free.push(place);
        }
    }
}

fn module_event(callback: ResourceCallback, id: u32) {
    let cubin = *b"\x7fELF fake machine code";
    let mut module =
        ModuleResourceData { module_id: id, cubin_size: cubin.len(), cubin: cubin.as_ptr().cast() };
    resource_event(callback, (&raw mut module).cast());
}

/// Calls the subscriber about a graph.
pub(crate) fn graph_event(callback: ResourceCallback, mut graph: GraphData) {
    resource_event(callback, (&raw mut graph).cast());
}

/// Calls the subscriber, if it wants to hear of this.
pub(crate) fn resource_event(callback: ResourceCallback, descriptor: *mut c_void) {
    let data = ResourceData {
        context: ptr::without_provenance_mut(1),
        stream: ptr::null_mut(),
        descriptor,
    };
    let wanted = |settings: &Settings| {
        let key = (CallbackDomain::RESOURCE.0, callback.0);
        settings.callbacks_on.contains(&key).then_some(())?;
        let subscriber = settings.subscriber.as_ref()?;
        Some((subscriber.callback, subscriber.user))
    };
    let target = wanted(&state().settings());
    if let Some((function, user)) = target {
        // SAFETY: the subscriber registered this function; the data lives during the call.
        unsafe {
            function(user, CallbackDomain::RESOURCE, callback.0, (&raw const data).cast());
        }
    }
}

//! The callback interface: domains, resource callbacks and the structures they receive.

use std::ffi::{c_char, c_void};

use crate::integer::integer_newtype;

integer_newtype! {
    /// A group of callbacks. The collector uses `RESOURCE` and `STATE` only: the two API domains
    /// run code around every launch.
    pub struct CallbackDomain(u32), prefix "CUPTI_CB_DOMAIN_" {
        INVALID = 0;
        DRIVER_API = 1;
        RUNTIME_API = 2;
        RESOURCE = 3;
        SYNCHRONIZE = 4;
        NVTX = 5;
        STATE = 6, since CUDA_12_4;
    }
}

integer_newtype! {
    /// A callback of the `RESOURCE` domain.
    pub struct ResourceCallback(u32), prefix "CUPTI_CBID_RESOURCE_" {
        INVALID = 0;
        CONTEXT_CREATED = 1;
        CONTEXT_DESTROY_STARTING = 2;
        STREAM_CREATED = 3;
        STREAM_DESTROY_STARTING = 4;
        CU_INIT_FINISHED = 5;
        MODULE_LOADED = 6;
        MODULE_UNLOAD_STARTING = 7;
        MODULE_PROFILED = 8;
        GRAPH_CREATED = 9;
        GRAPH_DESTROY_STARTING = 10;
        GRAPH_CLONED = 11;
        GRAPHNODE_CREATE_STARTING = 12;
        GRAPHNODE_CREATED = 13;
        GRAPHNODE_DESTROY_STARTING = 14;
        GRAPHNODE_DEPENDENCY_CREATED = 15;
        GRAPHNODE_DEPENDENCY_DESTROY_STARTING = 16;
        GRAPHEXEC_CREATE_STARTING = 17;
        GRAPHEXEC_CREATED = 18;
        GRAPHEXEC_DESTROY_STARTING = 19;
        GRAPHNODE_CLONED = 20;
        STREAM_ATTRIBUTE_CHANGED = 21, since CUDA_12_4;
        GRAPH_NODE_UPDATED = 22, since CUDA_13_0;
        GRAPH_NODE_SET_PARAMS = 23, since CUDA_13_0;
    }
}

integer_newtype! {
    /// A callback of the `STATE` domain: errors inside the library.
    pub struct StateCallback(u32), prefix "CUPTI_CBID_STATE_" {
        INVALID = 0, since CUDA_12_4;
        FATAL_ERROR = 1, since CUDA_12_4;
        ERROR = 2, since CUDA_12_4;
        WARNING = 3, since CUDA_12_4;
    }
}

/// What a `RESOURCE` callback receives. C: `CUpti_ResourceData`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ResourceData {
    /// The `CUcontext` concerned; null for some graph callbacks.
    pub context: *mut c_void,
    /// A `CUstream`, for stream callbacks.
    pub stream: *mut c_void,
    /// [`ModuleResourceData`] or [`GraphData`], by callback; null for others.
    pub descriptor: *mut c_void,
}

/// The descriptor of the module callbacks. C: `CUpti_ModuleResourceData`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ModuleResourceData {
    /// The module's id.
    pub module_id: u32,
    /// Length of the machine code.
    pub cubin_size: usize,
    /// The machine code, readable during the callback.
    pub cubin: *const c_char,
}

/// The descriptor of the graph callbacks. C: `CUpti_GraphData`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GraphData {
    /// `CUgraph`.
    pub graph: *mut c_void,
    /// The `CUgraph` this one was cloned from.
    pub original_graph: *mut c_void,
    /// `CUgraphNode`.
    pub node: *mut c_void,
    /// The `CUgraphNode` this one was cloned from.
    pub original_node: *mut c_void,
    /// `CUgraphNodeType`, a C enumeration of the driver.
    pub node_type: u32,
    /// The other end of a dependency.
    pub dependency: *mut c_void,
    /// `CUgraphExec`.
    pub graph_exec: *mut c_void,
}

/// What a `STATE` callback receives. C: `CUpti_StateData`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StateData {
    /// The error.
    pub result: crate::CUptiResult,
    /// What the library says about it, NUL-terminated; may be null.
    pub message: *const c_char,
}

//! What can be wrong inside a server, as physical quantities.

/// Everything that can be wrong in the serving process. The default is nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct RuntimeFaults {
    /// The host sleeps so long between two steps, ns.
    pub(crate) step_delay_ns: f64,
    /// The host takes so much longer for every launch, ns.
    pub(crate) launch_delay_ns: f64,
    /// The host reads a value from the device so often per step and works so long with it, ns.
    pub(crate) reads_back: Option<(u32, f64)>,
    /// Inputs are uploaded before the work, per request.
    pub(crate) upload: Option<Upload>,
    /// From a time on the prefix cache is dropped so often, ns.
    pub(crate) cache_flushes: Option<CacheFlushes>,
    /// Keys and values of a new request's prompt come from elsewhere.
    pub(crate) transfer: Option<Transfer>,
    /// Memory is allocated and freed so often per step, each call so long, ns.
    pub(crate) allocations: Option<(u32, f64)>,
    /// One rank is late.
    pub(crate) straggler: Option<Straggler>,
    /// A kernel is compiled or a module loaded in so many steps, each time so long, ns.
    pub(crate) compilations: Option<(u32, f64)>,
}

/// A prefix cache that is dropped again and again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CacheFlushes {
    pub(crate) from_ns: u64,
    pub(crate) every_ns: u64,
}

/// An upload of input data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Upload {
    pub(crate) bytes: u64,
    pub(crate) is_pageable: bool,
    /// On a stream of its own, ahead of time.
    pub(crate) is_overlapped: bool,
}

/// A transfer of keys and values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Transfer {
    pub(crate) bytes_per_token: f64,
    /// Bytes per ns.
    pub(crate) rate: f64,
    /// From a peer device; otherwise from host memory.
    pub(crate) is_peer: bool,
}

/// A rank that holds up the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Straggler {
    pub(crate) rank: usize,
    /// Its host starts every step so much later, ns.
    pub(crate) host_delay_ns: f64,
    /// Its kernels take so many times longer.
    pub(crate) kernel_factor: f64,
}

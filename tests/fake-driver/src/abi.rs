//! The part of the driver interface that is exported. Names, arguments and error codes are those
//! of `cuda.h`; handles are numbers.
//!
//! How long work takes follows from its size. [`fake_driver_next`] says it for one thing.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

use cupti_sys::{DriverCbid, MemcpyKind, MemoryKind};

use crate::device::{Fault, device, start, synchronize};
use crate::injection::inject;
use crate::record::{KernelWork, Work};

/// The driver version that is played: CUDA 12.9.
const VERSION: c_int = 12_090;
const NOT_INITIALIZED: c_int = 3;
const INVALID_VALUE: c_int = Fault::InvalidValue as c_int;
/// Copy rate over the bus, bytes per microsecond.
const COPY_RATE: u64 = 25_000;
/// Fill rate, bytes per microsecond.
const FILL_RATE: u64 = 1_300_000;

/// A handle: a number, as a pointer.
pub type Handle = *mut c_void;

thread_local! {
    static NEXT: Cell<Next> = const { Cell::new(Next::NONE) };
}

#[derive(Clone, Copy, Debug)]
struct Next {
    duration_ns: Option<u64>,
    registers: u32,
    is_pageable: bool,
}

impl Next {
    const NONE: Self = Self { duration_ns: None, registers: 32, is_pageable: false };
}

/// Says what the next thing that this thread asks for is like: how long it takes, the registers of
/// its kernel, whether its host memory is pageable.
#[unsafe(no_mangle)]
pub extern "C" fn fake_driver_next(duration_ns: u64, registers: u32, is_pageable: c_int) {
    let next = Next { duration_ns: Some(duration_ns), registers, is_pageable: is_pageable != 0 };
    NEXT.set(next);
}

/// Initialises the driver, and with it the injected library.
#[unsafe(no_mangle)]
pub extern "C" fn cuInit(flags: c_uint) -> c_int {
    if flags != 0 {
        return INVALID_VALUE;
    }
    start();
    inject();
    0
}

/// The version.
///
/// # Safety
/// `version` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(version, || Ok(VERSION)) }
}

/// One device.
///
/// # Safety
/// `count` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(count, || ready(1)) }
}

/// The device by its number.
///
/// # Safety
/// `device` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(device, || if ordinal == 0 { ready(0) } else { Err(101) }) }
}

/// Makes the context.
///
/// # Safety
/// `context` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v2(
    context: *mut Handle,
    _flags: c_uint,
    _device: c_int,
) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(context, || ready(handle(1))) }
}

/// Waits for everything.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSynchronize() -> c_int {
    code(ready(()).and_then(|()| synchronize(None).map_err(number)))
}

/// Makes a stream.
///
/// # Safety
/// `stream` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, _flags: c_uint) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(stream, || with(|device| Ok(handle(device.add_stream().into())))) }
}

/// Waits for a stream.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamSynchronize(stream: Handle) -> c_int {
    code(ready(()).and_then(|()| synchronize(Some(id(stream))).map_err(number)))
}

/// Makes `stream` wait for what `other` has to do now. The real driver does it by events.
#[unsafe(no_mangle)]
pub extern "C" fn fake_driver_stream_waits(stream: Handle, other: Handle) -> c_int {
    code(with(|device| device.wait_for(id(stream), id(other))))
}

/// Loads a module: any.
///
/// # Safety
/// `module` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, _image: *const c_void) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(module, || ready(handle(1))) }
}

/// A kernel by its name: every name there is.
///
/// # Safety
/// `function` is null or writable, `name` null or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(
    function: *mut Handle,
    _module: Handle,
    name: *const c_char,
) -> c_int {
    if name.is_null() {
        return INVALID_VALUE;
    }
    // SAFETY: the caller vouches for the text.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    // SAFETY: the caller vouches for the place.
    unsafe { put(function, || with(|device| Ok(handle(device.function(&name))))) }
}

/// Launches a kernel. Its parameters are not looked at.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared_bytes: c_uint,
    stream: Handle,
    _parameters: *mut *mut c_void,
    _extra: *mut *mut c_void,
) -> c_int {
    let next = NEXT.replace(Next::NONE);
    let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
    if function.is_null() || grid.contains(&0) || block.contains(&0) {
        return INVALID_VALUE;
    }
    let work = Work::Kernel(KernelWork {
        name: function.addr() as u64,
        grid,
        block,
        shared_bytes,
        registers: next.registers,
    });
    let n_blocks: u64 = grid.iter().map(|n| u64::from(*n)).product();
    let duration_ns = next.duration_ns.unwrap_or(1_500 + n_blocks.saturating_mul(20));
    submit(DriverCbid::cuLaunchKernel, stream, work, duration_ns).map_or_else(|e| e, |_| 0)
}

/// Copies to the device.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoDAsync_v2(
    _to: u64,
    _from: *const c_void,
    bytes: usize,
    stream: Handle,
) -> c_int {
    copy(DriverCbid::cuMemcpyHtoDAsync_v2, MemcpyKind::HTOD, bytes, stream)
}

/// Copies from the device.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoHAsync_v2(
    _to: *mut c_void,
    _from: u64,
    bytes: usize,
    stream: Handle,
) -> c_int {
    copy(DriverCbid::cuMemcpyDtoHAsync_v2, MemcpyKind::DTOH, bytes, stream)
}

/// Fills memory.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8Async(_to: u64, _value: u8, bytes: usize, stream: Handle) -> c_int {
    let next = NEXT.replace(Next::NONE);
    let bytes = bytes as u64;
    let duration_ns = next.duration_ns.unwrap_or(900 + bytes.saturating_mul(1000) / FILL_RATE);
    let work = Work::Fill { bytes };
    submit(DriverCbid::cuMemsetD8Async, stream, work, duration_ns).map_or_else(|e| e, |_| 0)
}

/// Starts to make a graph of what a stream is asked for.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamBeginCapture_v2(stream: Handle, _mode: c_int) -> c_int {
    code(with(|device| device.begin_capture(id(stream))))
}

/// The graph.
///
/// # Safety
/// `graph` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamEndCapture(stream: Handle, graph: *mut Handle) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(graph, || with(|device| Ok(handle(device.end_capture(id(stream))?.into())))) }
}

/// Makes a graph executable.
///
/// # Safety
/// `executable` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithFlags(
    executable: *mut Handle,
    graph: Handle,
    _flags: u64,
) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(executable, || with(|device| Ok(handle(device.instantiate(id(graph))?.into())))) }
}

/// Launches a graph.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphLaunch(executable: Handle, stream: Handle) -> c_int {
    code(with(|device| device.launch_graph(id(executable), id(stream))))
}

fn copy(cbid: DriverCbid, kind: MemcpyKind, bytes: usize, stream: Handle) -> c_int {
    let next = NEXT.replace(Next::NONE);
    let bytes = bytes as u64;
    let host = if next.is_pageable { MemoryKind::PAGEABLE } else { MemoryKind::PINNED };
    let (host, device) = (host.0 as u8, MemoryKind::DEVICE.0 as u8);
    let (from, to) = if kind == MemcpyKind::HTOD { (host, device) } else { (device, host) };
    let duration_ns = next.duration_ns.unwrap_or(1_100 + bytes.saturating_mul(1000) / COPY_RATE);
    let work = Work::Copy { kind: kind.0, from, to, bytes };
    match submit(cbid, stream, work, duration_ns) {
        Ok(end_ns) => {
            if next.is_pageable {
                // The driver copies through a buffer of its own and returns when that is done.
                crate::clock::wait_until_ns(end_ns);
            }
            0
        }
        Err(error) => error,
    }
}

fn submit(cbid: DriverCbid, stream: Handle, work: Work, duration_ns: u64) -> Result<u64, c_int> {
    with(|device| device.submit(cbid, id(stream), work, duration_ns))
}

fn with<T>(body: impl FnOnce(&mut crate::device::Device) -> Result<T, Fault>) -> Result<T, c_int> {
    let mut device = device().ok_or(NOT_INITIALIZED)?;
    body(&mut device).map_err(number)
}

pub(crate) fn ready<T>(value: T) -> Result<T, c_int> {
    if device().is_some() { Ok(value) } else { Err(NOT_INITIALIZED) }
}

fn number(fault: Fault) -> c_int {
    fault as c_int
}

fn code(outcome: Result<(), c_int>) -> c_int {
    outcome.map_or_else(|error| error, |()| 0)
}

/// # Safety
/// `place` is null or writable.
pub(crate) unsafe fn put<T>(place: *mut T, value: impl FnOnce() -> Result<T, c_int>) -> c_int {
    if place.is_null() {
        return INVALID_VALUE;
    }
    match value() {
        Ok(value) => {
            // SAFETY: the caller vouches for it.
            unsafe { place.write(value) };
            0
        }
        Err(error) => error,
    }
}

pub(crate) fn handle(id: u64) -> Handle {
    ptr::without_provenance_mut(usize::try_from(id).unwrap_or(0))
}

fn id(handle: Handle) -> u32 {
    u32::try_from(handle.addr()).unwrap_or(u32::MAX)
}

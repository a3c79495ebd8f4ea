//! The driver, as a Rust program uses it: loaded at run time, like the real one.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::ptr;

use underspan_cupti::{Library, Origin};

use crate::abi::Handle;

/// A call that failed, with the driver's code.
#[derive(Debug)]
pub struct CudaError {
    /// The function.
    pub function: &'static str,
    /// What it returned.
    pub code: c_int,
}

impl std::fmt::Display for CudaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} failed with {}", self.function, self.code)
    }
}

impl std::error::Error for CudaError {}

/// A stream.
#[derive(Clone, Copy, Debug)]
pub struct Stream(Handle);

/// A kernel.
#[derive(Clone, Copy, Debug)]
pub struct Function(Handle);

/// An executable graph.
#[derive(Clone, Copy, Debug)]
pub struct Graph(Handle);

/// How a kernel is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchShape {
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of each.
    pub block: [u32; 3],
    /// Dynamic shared memory.
    pub shared_bytes: u32,
    /// Registers of each thread.
    pub registers: u32,
}

/// A copy between host and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Whether it goes to the device.
    pub to_device: bool,
    /// Whether the host's memory is pageable.
    pub is_pageable: bool,
    /// Size.
    pub bytes: u64,
}

type Launch = extern "C" fn(
    Handle,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    Handle,
    *mut *mut c_void,
    *mut *mut c_void,
) -> c_int;

macro_rules! functions {
    ($( $field:ident = $name:ident: $ty:ty; )*) => {
        /// The loaded driver.
        #[derive(Clone, Copy, Debug)]
        pub struct Cuda { $( $field: $ty, )* }

        impl Cuda {
            fn resolve(library: &Library) -> Option<Self> {
                Some(Self { $( $field: {
                    let name = CString::new(stringify!($name)).ok()?;
                    let address = library.symbol(&name);
                    // SAFETY: null or this crate's function of that name, whose type stands
                    // beside it.
                    unsafe { std::mem::transmute::<*const c_void, Option<$ty>>(address) }?
                }, )* })
            }
        }
    };
}

functions! {
    next = fake_driver_next: extern "C" fn(u64, u32, c_int);
    init = cuInit: extern "C" fn(c_uint) -> c_int;
    stream_create = cuStreamCreate: unsafe extern "C" fn(*mut Handle, c_uint) -> c_int;
    stream_synchronize = cuStreamSynchronize: extern "C" fn(Handle) -> c_int;
    stream_waits = fake_driver_stream_waits: extern "C" fn(Handle, Handle) -> c_int;
    get_function = cuModuleGetFunction:
        unsafe extern "C" fn(*mut Handle, Handle, *const c_char) -> c_int;
    launch_kernel = cuLaunchKernel: Launch;
    copy_to_device = cuMemcpyHtoDAsync_v2:
        extern "C" fn(u64, *const c_void, usize, Handle) -> c_int;
    copy_to_host = cuMemcpyDtoHAsync_v2:
        extern "C" fn(*mut c_void, u64, usize, Handle) -> c_int;
    begin_capture = cuStreamBeginCapture_v2: extern "C" fn(Handle, c_int) -> c_int;
    end_capture = cuStreamEndCapture: unsafe extern "C" fn(Handle, *mut Handle) -> c_int;
    instantiate = cuGraphInstantiateWithFlags:
        unsafe extern "C" fn(*mut Handle, Handle, u64) -> c_int;
    graph_launch = cuGraphLaunch: extern "C" fn(Handle, Handle) -> c_int;
}

/// The shared library that was built along with the running program; `None` when it is not in the
/// program's folder, the one above, or the `deps` of either.
pub fn built_library() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    // Cargo puts every library into `deps` and links some of them above it.
    let dirs =
        program.ancestors().skip(1).take(3).flat_map(|dir| [dir.join("deps"), dir.to_owned()]);
    dirs.map(|dir| dir.join("libfake_driver.so")).find(|path| path.is_file())
}

impl Cuda {
    /// Loads the driver at `path` and initialises it, which loads what is injected.
    ///
    /// # Errors
    /// When it cannot be loaded, is not this double, or does not come up.
    pub fn start(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        // SAFETY: the double, whose initializers do nothing.
        let library = unsafe { Library::open(path, Origin::Environment) }?;
        let cuda = Self::resolve(&library)
            .ok_or_else(|| format!("{} is not the driver double", path.display()))?;
        check("cuInit", (cuda.init)(0))?;
        Ok(cuda)
    }

    /// Makes a stream.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn stream(&self) -> Result<Stream, CudaError> {
        // SAFETY: the driver fills the place in.
        unsafe { made("cuStreamCreate", |place| (self.stream_create)(place, 0)) }.map(Stream)
    }

    /// The kernel of that name.
    ///
    /// # Errors
    /// When the name contains a NUL byte, or the driver refuses.
    pub fn function(&self, name: &str) -> Result<Function, CudaError> {
        let invalid = |_| CudaError { function: "cuModuleGetFunction", code: 1 };
        let name: &CStr = &CString::new(name).map_err(invalid)?;
        let get = |place| {
            // SAFETY: a place to fill in and a NUL-terminated name.
            unsafe { (self.get_function)(place, ptr::null_mut(), name.as_ptr()) }
        };
        // SAFETY: the driver fills the place in.
        unsafe { made("cuModuleGetFunction", get) }.map(Function)
    }

    /// Launches a kernel that takes `duration_ns`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn launch(
        &self,
        function: Function,
        shape: &LaunchShape,
        stream: Stream,
        duration_ns: u64,
    ) -> Result<(), CudaError> {
        (self.next)(duration_ns, shape.registers, 0);
        let ([gx, gy, gz], [bx, by, bz]) = (shape.grid, shape.block);
        let none = ptr::null_mut();
        let code = (self.launch_kernel)(
            function.0,
            gx,
            gy,
            gz,
            bx,
            by,
            bz,
            shape.shared_bytes,
            stream.0,
            none,
            none,
        );
        check("cuLaunchKernel", code)
    }

    /// Copies between host and device for `duration_ns`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn copy(
        &self,
        transfer: Transfer,
        stream: Stream,
        duration_ns: u64,
    ) -> Result<(), CudaError> {
        (self.next)(duration_ns, 0, transfer.is_pageable.into());
        let bytes = usize::try_from(transfer.bytes).unwrap_or(usize::MAX);
        if transfer.to_device {
            check("cuMemcpyHtoDAsync", (self.copy_to_device)(0, ptr::null(), bytes, stream.0))
        } else {
            check("cuMemcpyDtoHAsync", (self.copy_to_host)(ptr::null_mut(), 0, bytes, stream.0))
        }
    }

    /// Makes an executable graph of what `body` asks of the stream.
    ///
    /// # Errors
    /// When the driver or `body` refuses.
    pub fn graph(
        &self,
        stream: Stream,
        body: impl FnOnce() -> Result<(), CudaError>,
    ) -> Result<Graph, CudaError> {
        check("cuStreamBeginCapture", (self.begin_capture)(stream.0, 0))?;
        let outcome = body();
        let end = |place| {
            // SAFETY: a place to fill in.
            unsafe { (self.end_capture)(stream.0, place) }
        };
        // SAFETY: the driver fills the place in.
        let graph = unsafe { made("cuStreamEndCapture", end) }?;
        outcome?;
        let instantiate = |place| {
            // SAFETY: a place to fill in.
            unsafe { (self.instantiate)(place, graph, 0) }
        };
        // SAFETY: the driver fills the place in.
        unsafe { made("cuGraphInstantiateWithFlags", instantiate) }.map(Graph)
    }

    /// Launches a graph.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn launch_graph(&self, graph: Graph, stream: Stream) -> Result<(), CudaError> {
        check("cuGraphLaunch", (self.graph_launch)(graph.0, stream.0))
    }

    /// Makes a stream wait for what another has to do now.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn wait_for(&self, stream: Stream, other: Stream) -> Result<(), CudaError> {
        check("fake_driver_stream_waits", (self.stream_waits)(stream.0, other.0))
    }

    /// Waits until a stream is done.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn synchronize(&self, stream: Stream) -> Result<(), CudaError> {
        check("cuStreamSynchronize", (self.stream_synchronize)(stream.0))
    }
}

fn check(function: &'static str, code: c_int) -> Result<(), CudaError> {
    if code == 0 { Ok(()) } else { Err(CudaError { function, code }) }
}

/// # Safety
/// `make` fills the place in when it answers 0.
unsafe fn made(
    function: &'static str,
    make: impl FnOnce(*mut Handle) -> c_int,
) -> Result<Handle, CudaError> {
    let mut place = ptr::null_mut();
    check(function, make(&raw mut place))?;
    Ok(place)
}

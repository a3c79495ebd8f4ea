//! Shared libraries, through the dynamic loader.
#![expect(unsafe_code, reason = "the loader's interface is C")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use crate::Error;

/// How a libcupti was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The process had loaded it already, and nobody named another; a second copy would not get
    /// along with it.
    AlreadyLoaded,
    /// The environment names it.
    Environment,
    /// It lies with the process's libcudart.
    BesideRuntime,
    /// It lies in an installed toolkit.
    Toolkit,
    /// The loader's own search path has it.
    LoaderPath,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyLoaded => "already loaded",
            Self::Environment => "named by the environment",
            Self::BesideRuntime => "beside libcudart",
            Self::Toolkit => "in a toolkit",
            Self::LoaderPath => "on the loader's path",
        })
    }
}

/// A loaded shared library. It is never unloaded: callbacks may be running in it.
#[derive(Debug)]
pub struct Library {
    handle: NonNull<c_void>,
    path: PathBuf,
    origin: Origin,
}

// SAFETY: a `dlopen` handle may be used from any thread, and this one is never closed.
unsafe impl Send for Library {}
// SAFETY: as above; `dlsym` does not change the handle.
unsafe impl Sync for Library {}

impl Library {
    /// Loads the library at `path`.
    ///
    /// # Safety
    /// The library's initializers run: it must be one that the process may load.
    ///
    /// # Errors
    /// When the loader refuses it.
    pub unsafe fn open(path: &Path, origin: Origin) -> Result<Self, Error> {
        let message = |message: String| Error::Open { path: path.to_owned(), message };
        let name = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| message("the path contains a NUL byte".to_owned()))?;
        // SAFETY: `name` is NUL-terminated; the caller vouches for the library.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        match NonNull::new(handle) {
            Some(handle) => Ok(Self {
                handle,
                path: path_of(handle).unwrap_or_else(|| path.to_owned()),
                origin,
            }),
            None => Err(message(loader_message())),
        }
    }

    /// The library of this name, if the process has it.
    pub fn loaded(name: &Path) -> Option<Self> {
        let c_name = CString::new(name.as_os_str().as_bytes()).ok()?;
        // SAFETY: `c_name` is NUL-terminated, and with RTLD_NOLOAD nothing is loaded or run.
        let handle = unsafe { libc::dlopen(c_name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
        let handle = NonNull::new(handle)?;
        let path = path_of(handle).unwrap_or_else(|| name.to_owned());
        Some(Self { handle, path, origin: Origin::AlreadyLoaded })
    }

    /// The address of a symbol, or null.
    pub fn symbol(&self, name: &CStr) -> *const c_void {
        // SAFETY: the handle is never closed and `name` is NUL-terminated.
        unsafe { libc::dlsym(self.handle.as_ptr(), name.as_ptr()) }
    }

    /// Where the library was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it was found.
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

/// Paths of the shared objects that the process has loaded, in load order.
pub fn loaded_objects() -> Vec<PathBuf> {
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _size: libc::size_t,
        paths: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader passes a valid `info` and hands `paths` back unchanged, which is the
        // exclusive reference below.
        let (info, paths) = unsafe { (&*info, &mut *paths.cast::<Vec<PathBuf>>()) };
        if let Some(path) = path_from(info.dlpi_name) {
            paths.push(path);
        }
        0
    }
    let mut paths: Vec<PathBuf> = Vec::new();
    // SAFETY: `visit` has the type the loader expects, and `paths` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut paths).cast()) };
    paths
}

/// The CUDA version the loaded driver supports, as 1000 × major + 10 × minor. `None` when the
/// process has no driver. Does not initialize it.
pub fn driver_version() -> Option<u32> {
    let driver = Library::loaded(Path::new("libcuda.so.1"))?;
    let address = NonNull::new(driver.symbol(c"cuDriverGetVersion").cast_mut())?;
    // SAFETY: `CUresult cuDriverGetVersion(int *)` has had this signature in every driver.
    let get: unsafe extern "C" fn(*mut c_int) -> c_int =
        unsafe { std::mem::transmute(address.as_ptr()) };
    let mut version: c_int = 0;
    // SAFETY: `version` is writable; the function may be called before `cuInit`.
    let result = unsafe { get(&raw mut version) };
    (result == 0).then_some(version)?.try_into().ok()
}

fn path_of(handle: NonNull<c_void>) -> Option<PathBuf> {
    let mut map: *const LinkMap = std::ptr::null();
    // SAFETY: RTLD_DI_LINKMAP writes a pointer to the handle's link map.
    let rc = unsafe { libc::dlinfo(handle.as_ptr(), libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
    if rc != 0 || map.is_null() {
        return None;
    }
    // SAFETY: the loader's link map lives as long as the library, which is never unloaded, and
    // begins with the two members below on every ELF system.
    path_from(unsafe { (*map).name })
}

/// The head of the loader's `struct link_map`.
#[repr(C)]
struct LinkMap {
    address: usize,
    name: *const c_char,
}

fn path_from(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the loader's names are NUL-terminated and live while the object is loaded.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    (!bytes.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

fn loader_message() -> String {
    // SAFETY: `dlerror` returns null or a string valid until the next loader call on this thread.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return "the loader gives no reason".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
}

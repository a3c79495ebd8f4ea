//! A libcupti double for one release, loaded, with someone to play the GPU.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cupti_sys::Toolkit;
use fake_cupti::{FakeCupti, Profile, Release};
use tempfile::TempDir;
use underspan_cupti::{
    Api, Backend, BufferGrant, CompletedBuffer, DecodeLedger, Library, Origin, Record, Records,
};

/// A loaded double. The library stays loaded after the file is gone.
pub struct Double {
    /// The library, as the product sees it.
    pub api: &'static Api,
    /// The library, as whoever plays the GPU sees it.
    pub gpu: FakeCupti,
    /// The release it plays.
    pub profile: Profile,
    _dir: TempDir,
}

impl Double {
    /// Loads a copy that plays `toolkit`.
    #[expect(unsafe_code, reason = "loads the double")]
    pub fn of(toolkit: Toolkit) -> Self {
        let profile = Profile::of(toolkit).expect("the double plays this release");
        let dir = TempDir::new().expect("a folder");
        let path = Release(profile).write(dir.path()).expect("a library for the release");
        // SAFETY: the double; its initializers do nothing.
        let library = unsafe { Library::open(&path, Origin::Environment) }.expect("it loads");
        // SAFETY: the double's functions are its own, and `Library` never unloads.
        let gpu = unsafe { FakeCupti::resolve(|name| library.symbol(name)) }.expect("a double");
        // SAFETY: the double has the interface of libcupti.
        let api = Box::leak(Box::new(unsafe { Api::new(library) }));
        Self { api, gpu, profile, _dir: dir }
    }

    /// Fails when the library noted something that its caller must not do.
    pub fn assert_well_behaved(&self) {
        assert_eq!(self.gpu.violations(), None, "CUDA {}", self.profile.toolkit);
    }
}

/// Buffers for tests: allocated on request, kept on completion.
pub struct Pool {
    completed: Mutex<Vec<CompletedBuffer>>,
    n_bytes: Mutex<usize>,
}

impl Pool {
    /// Grants buffers of 64 KiB.
    pub const fn new() -> Self {
        Self { completed: Mutex::new(Vec::new()), n_bytes: Mutex::new(1 << 16) }
    }

    /// Grants buffers of this many bytes from now on; 0 refuses them.
    pub fn set_bytes(&self, n_bytes: usize) {
        *self.n_bytes.lock().unwrap_or_else(PoisonError::into_inner) = n_bytes;
    }

    /// A new buffer of zeros, never freed.
    #[expect(unsafe_code, reason = "grants memory to a C library")]
    pub fn grant(&self) -> Option<BufferGrant> {
        let n_bytes = *self.n_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if n_bytes == 0 {
            return None;
        }
        let memory = Box::leak(vec![0_u64; n_bytes.div_ceil(8)].into_boxed_slice());
        let address = std::ptr::NonNull::from(memory).cast();
        // SAFETY: leaked, so it lives for ever, and nobody else has it.
        unsafe { BufferGrant::new(address, n_bytes) }
    }

    /// Keeps a completed buffer.
    pub fn keep(&self, buffer: CompletedBuffer) {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    /// The buffers completed since the last call.
    pub fn take(&self) -> Vec<CompletedBuffer> {
        std::mem::take(&mut *self.completed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Decodes buffers with `backend`; what it cannot read is in the ledger.
#[expect(unsafe_code, reason = "reads granted memory")]
pub fn decode(backend: &dyn Backend, buffers: &[CompletedBuffer]) -> (Vec<Record>, DecodeLedger) {
    let mut ledger = DecodeLedger::default();
    let mut records = Vec::new();
    for buffer in buffers {
        let layouts = backend.layouts(buffer).expect("a layout for the buffer");
        // SAFETY: the pool never frees its memory.
        let bytes = unsafe { buffer.bytes() };
        records.extend(Records::new(layouts, bytes, &mut ledger));
    }
    (records, ledger)
}

/// Declares a sink of the given name on a pool of its own, and a table for user-defined records if
/// one is named.
#[macro_export]
macro_rules! sink {
    ($name:ident, $pool:ident $(, $table:ident)?) => {
        $( static $table: ::underspan_cupti::LayoutTable = ::underspan_cupti::LayoutTable::new(); )?
        static $pool: $crate::support::Pool = $crate::support::Pool::new();

        #[derive(Debug)]
        struct $name;

        impl ::underspan_cupti::BufferSink for $name {
            fn requested() -> Option<::underspan_cupti::BufferGrant> {
                $pool.grant()
            }

            fn completed(buffer: ::underspan_cupti::CompletedBuffer) {
                $pool.keep(buffer);
            }

            $(
                fn layout_table() -> Option<&'static ::underspan_cupti::LayoutTable> {
                    Some(&$table)
                }
            )?
        }
    };
}

/// A record as `field: value` pairs, without the fields that its release does not have.
pub fn fields(record: &Record) -> Vec<(String, String)> {
    let text = format!("{record:?}");
    let inner = text.split_once("{ ").map_or("", |(_, rest)| rest).trim_end_matches(" })");
    inner
        .split(", ")
        .filter_map(|pair| pair.split_once(": "))
        .filter(|(_, value)| *value != "None")
        .map(|(name, value)| {
            let value = value.strip_prefix("Some(").map_or(value, |v| v.trim_end_matches(')'));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// A path below a folder, created.
pub fn touch(dir: &Path, path: &str) -> std::path::PathBuf {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("create folders");
    std::fs::write(&path, b"").expect("create the file");
    path
}

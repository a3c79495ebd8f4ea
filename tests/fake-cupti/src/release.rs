//! Copies of the shared library for one release each.
//!
//! A release is written into the file: its number over a placeholder, the soname, and the names of
//! functions it does not have, each spoiled in place so that looking it up fails. The result needs
//! no environment and looks, to the loader, like that release's libcupti.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cupti_sys::{SYMBOLS, Toolkit};

use crate::profile::Profile;

/// What the placeholder begins with.
const TAG: &[u8] = b"fake-cupti plays CUDA ";
const TAG_BYTES: usize = 40;

/// Where the release's number goes.
#[used]
static PLACEHOLDER: [u8; TAG_BYTES] = *b"fake-cupti plays CUDA ?                 ";

/// The soname that the build gives the library, long enough for every release's.
const BUILT_SONAME: &[u8] = b"libcupti.so.11.8-fake\0";

/// Why there is no copy of the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The shared library was not built along with the caller.
    #[error("{}: no libfake_cupti.so here or above; build the package fake-cupti", dir.display())]
    NotBuilt {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The library cannot be read or the copy cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The library does not contain what must be replaced.
    #[error("{}: no {what:?} in it", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
}

/// A release to make a library for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release(pub Profile);

impl Release {
    /// Writes the library into `dir` under the release's soname, and answers its path.
    ///
    /// # Errors
    /// When the built library cannot be found, read or understood, or the copy cannot be written.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, ReleaseError> {
        let source = built_library()?;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| ReleaseError::Io { path, source }
        };
        let mut bytes = fs::read(&source).map_err(io(&source))?;
        self.patch(&mut bytes, &source)?;
        let path = dir.join(self.0.soname);
        fs::write(&path, bytes).map_err(io(&path))?;
        Ok(path)
    }

    fn patch(&self, bytes: &mut [u8], source: &Path) -> Result<(), ReleaseError> {
        let unexpected = |what: &[u8]| ReleaseError::Unexpected {
            path: source.to_owned(),
            what: String::from_utf8_lossy(what).into_owned(),
        };
        let mut placeholder = PLACEHOLDER;
        let number = format!("{:<1$}", self.0.toolkit.to_string(), TAG_BYTES - TAG.len());
        placeholder[TAG.len()..].copy_from_slice(number.as_bytes());
        if replace(bytes, &PLACEHOLDER, &placeholder) == 0 {
            return Err(unexpected(TAG));
        }
        let mut soname = self.0.soname.as_bytes().to_vec();
        soname.resize(BUILT_SONAME.len(), 0);
        if replace(bytes, BUILT_SONAME, &soname) == 0 {
            return Err(unexpected(BUILT_SONAME));
        }
        for symbol in SYMBOLS.iter().filter(|symbol| !self.0.has(symbol.name)) {
            // Between NULs, so that a name that merely begins like this one stays.
            let whole = format!("\0{}\0", symbol.name).into_bytes();
            let mut spoiled = whole.clone();
            let last = spoiled.len() - 2;
            spoiled[last] = b'?';
            if replace(bytes, &whole, &spoiled) == 0 {
                return Err(unexpected(symbol.name.as_bytes()));
            }
        }
        Ok(())
    }
}

/// The shared library that was built along with the running program.
///
/// # Errors
/// When it is not in the program's folder or one of the two above.
pub fn built_library() -> Result<PathBuf, ReleaseError> {
    let program = std::env::current_exe().unwrap_or_default();
    let dirs =
        program.ancestors().skip(1).take(3).flat_map(|dir| [dir.to_owned(), dir.join("deps")]);
    for dir in dirs {
        let path = dir.join("libfake_cupti.so");
        if path.is_file() {
            return Ok(path);
        }
    }
    let dir = program.parent().map(Path::to_owned).unwrap_or_default();
    Err(ReleaseError::NotBuilt { dir })
}

/// The release written into the running library's own file, if any.
pub(crate) fn embedded_release() -> Option<Toolkit> {
    // SAFETY: a static of this crate; read through a volatile load because the file was changed
    // behind the compiler's back.
    let placeholder = unsafe { std::ptr::read_volatile(&raw const PLACEHOLDER) };
    let text = std::str::from_utf8(&placeholder[TAG.len()..]).ok()?;
    Toolkit::parse(text.trim())
}

/// Replaces every occurrence of `from` by `to`, which is as long; answers how many there were.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) -> usize {
    let finder = memchr::memmem::Finder::new(from);
    let mut n = 0;
    let mut at = 0;
    while let Some(found) = finder.find(&bytes[at..]) {
        let found = at + found;
        bytes[found..found + from.len()].copy_from_slice(to);
        n += 1;
        // The closing NUL of one name opens the next.
        at = found + from.len() - 1;
    }
    n
}

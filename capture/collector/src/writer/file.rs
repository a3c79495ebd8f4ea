//! The file on disk: whole chunks or nothing, and the room that is left for more.
#![expect(unsafe_code, reason = "asks libc for the room on a disk")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const DESCRIPTOR_FLOOR: i32 = 700;

/// A file that is only ever extended by whole writes. A write that fails half way is taken back.
#[derive(Debug)]
pub(super) struct CaptureFile {
    file: File,
    len: u64,
}

impl CaptureFile {
    /// Creates a file that only its owner can read. When there is one already, the process id is
    /// added to the name: nobody's capture is overwritten.
    pub(super) fn create(path: &Path) -> io::Result<(Self, PathBuf)> {
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_CLOEXEC);
        let (file, path) = match options.open(path) {
            Ok(file) => (file, path.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut name = path.as_os_str().to_owned();
                name.push(format!(".{}", std::process::id()));
                (options.open(&name)?, PathBuf::from(name))
            }
            Err(error) => return Err(error),
        };
        Ok((Self { file: moved_up(file), len: 0 }, path))
    }

    /// A second handle, to ask for room while a writer owns this one.
    pub(super) fn disk(&self) -> io::Result<Disk> {
        let facts = self.file.metadata()?;
        Ok(Disk {
            written: self.file.as_raw_fd(),
            identity: (facts.dev(), facts.ino()),
            file: moved_up(self.file.try_clone()?),
        })
    }
}

/// The same file under a number far from those that programs close without looking.
fn moved_up(file: File) -> File {
    // SAFETY: an open descriptor and numbers.
    let moved = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, DESCRIPTOR_FLOOR) };
    if moved < 0 {
        return file;
    }
    // SAFETY: a new descriptor that nobody else has.
    unsafe { File::from_raw_fd(moved) }
}

/// The identity of what is open under a number.
fn identity(descriptor: i32) -> Option<(u64, u64)> {
    // SAFETY: plain memory that the call fills in.
    let mut facts: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: writable room for the answer; a number that is not open is an error.
    let known = unsafe { libc::fstat(descriptor, &raw mut facts) } == 0;
    known.then_some((facts.st_dev, facts.st_ino))
}

impl Write for CaptureFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all_at(bytes, self.len) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What a reader finds must end with a whole chunk.
                let _ = self.file.set_len(self.len);
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The disk that a file is on.
#[derive(Debug)]
pub(super) struct Disk {
    file: File,
    /// The descriptor that is written to.
    written: i32,
    identity: (u64, u64),
}

impl Disk {
    /// Whether the descriptor still is the file: a host may have closed it and opened another
    /// file under its number.
    pub(super) fn is_there(&self) -> bool {
        identity(self.written) == Some(self.identity)
    }

    /// Bytes by which a file of `len` bytes can still grow, as far as is known.
    pub(super) fn room(&self, len: u64) -> u64 {
        let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: 0 };
        // SAFETY: writable room for the answer.
        unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) };
        let below_limit = limit.rlim_cur.saturating_sub(len);
        // SAFETY: plain memory that the call fills in.
        let mut disk: libc::statvfs = unsafe { std::mem::zeroed() };
        // SAFETY: an open descriptor and writable room for the answer.
        let known = unsafe { libc::fstatvfs(self.file.as_raw_fd(), &raw mut disk) } == 0;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if known { below_limit.min(free) } else { below_limit }
    }
}

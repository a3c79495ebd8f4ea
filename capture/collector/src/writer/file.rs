//! The file on disk: whole chunks or nothing, and the room that is left for more.
#![expect(unsafe_code, reason = "asks libc for the room on a disk")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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
        Ok((Self { file, len: 0 }, path))
    }

    /// A second handle, to ask for room while a writer owns this one.
    pub(super) fn disk(&self) -> io::Result<Disk> {
        Ok(Disk { file: self.file.try_clone()? })
    }
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
}

impl Disk {
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

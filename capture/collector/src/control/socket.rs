//! The control socket: in the file system, for its owner only.
#![expect(unsafe_code, reason = "calls into libc")]

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest line that is read.
const MAX_LINE: usize = 4096;
/// How long one client may take.
const CLIENT_TIME: Duration = Duration::from_millis(500);

/// A listening socket, removed when dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens at `path`. A socket that nobody listens on any more is replaced.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        if let Ok(found) = fs::symlink_metadata(path) {
            use std::os::unix::fs::FileTypeExt;
            if !found.file_type().is_socket() || UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "the path is taken"));
            }
            fs::remove_file(path)?;
        }
        // SAFETY: numbers only.
        let raw = unsafe {
            libc::socket(
                libc::AF_UNIX,
                libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                0,
            )
        };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else has.
        let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
        // Before binding, so that there is no moment in which others could connect: the file gets
        // the socket's own mode.
        // SAFETY: an open descriptor.
        if unsafe { libc::fchmod(descriptor.as_raw_fd(), 0o600) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: plain memory.
        let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is too long"));
        }
        for (to, from) in address.sun_path.iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        // SAFETY: a filled-in address and its length.
        let bound = unsafe {
            libc::bind(descriptor.as_raw_fd(), (&raw const address).cast(), length) == 0
                && libc::listen(descriptor.as_raw_fd(), 16) == 0
        };
        if !bound {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { listener: descriptor.into(), path: path.to_owned() })
    }

    /// The descriptor, to wait on and to close in a forked child.
    pub(super) fn descriptor(&self) -> i32 {
        self.listener.as_raw_fd()
    }

    /// Answers every client that waits.
    pub(super) fn serve(&self, mut answer: impl FnMut(Result<&[u8], String>) -> String) {
        while let Ok((stream, _)) = self.listener.accept() {
            let reply = match peer_uid(&stream) {
                Ok(uid) if is_allowed(uid, own_uid()) => match read_line(&stream) {
                    Ok(line) => answer(Ok(&line)),
                    Err(error) => answer(Err(error)),
                },
                _ => answer(Err("only the owner of the process may do that".to_owned())),
            };
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_write_timeout(Some(CLIENT_TIME));
            // A client that does not listen has no use for the answer.
            let _ = (&stream).write_all(reply.as_bytes());
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a client of this user may control a process of that one.
pub(super) fn is_allowed(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

fn own_uid() -> u32 {
    // SAFETY: takes nothing.
    unsafe { libc::geteuid() }
}

fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: writable room of the stated length.
    let rc = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if rc == 0 { Ok(peer.uid) } else { Err(io::Error::last_os_error()) }
}

/// One whole line, without its end. Half a line is none.
fn read_line(stream: &UnixStream) -> Result<Vec<u8>, String> {
    let deadline = Instant::now() + CLIENT_TIME;
    let mut line = Vec::new();
    let mut chunk = [0; 512];
    let _ = stream.set_nonblocking(false);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err("the line did not end in time".to_owned());
        }
        match (&*stream).read(&mut chunk) {
            Ok(0) => return Err("the line did not end".to_owned()),
            Ok(n) => line.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err("the line did not end in time".to_owned()),
        }
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(line);
        }
        if line.len() > MAX_LINE {
            return Err(format!("the line is longer than {MAX_LINE} bytes"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_and_root_are_let_in() {
        assert!(is_allowed(1000, 1000) && is_allowed(0, 1000));
        assert!(!is_allowed(1001, 1000) && !is_allowed(1000, 0));
    }
}

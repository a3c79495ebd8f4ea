//! Talks to a collector through its control socket.

use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// Longest answer that is read, bytes.
const MAX_ANSWER: u64 = 64 << 10;

/// Why a collector did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Nobody listens there, or does not answer in time.
    #[error("{}: {source}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket belongs to somebody else, or is none.
    #[error("{}: not a socket of this user", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
    },
    /// What came back is no answer of a collector.
    #[error("{}: not an answer of a collector: {answer:?}", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// The beginning of what came.
        answer: String,
    },
    /// The collector refused.
    #[error("{reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
}

/// What a collector says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Process id.
    pub pid: u32,
    /// Whether it records now.
    pub is_armed: bool,
    /// `dormant`, `stream` or `ring`.
    pub mode: String,
    /// What it records: `lite`, `node`, `api`, `lite+api`.
    pub kinds: String,
    /// Its file, in ring mode its folder.
    pub output: PathBuf,
    /// Rows made so far.
    pub n_rows: u64,
    /// Bytes written so far.
    pub bytes_written: u64,
    /// Records lost so far.
    pub n_lost: u64,
    /// CPU time it took so far: its writer's and that of callbacks in the application's threads.
    pub cost: Duration,
    /// Why it does not record, though it should.
    pub trouble: Option<String>,
    /// Whether its file cannot be written.
    pub has_write_failed: bool,
}

/// Sends one line and waits for the answer.
///
/// # Errors
/// When the socket is not this user's, nobody answers within `limit`, or the collector refuses.
pub fn ask(socket: &Path, line: &str, limit: Duration) -> Result<Value, ControlError> {
    let unreachable = |source| ControlError::Unreachable { path: socket.to_owned(), source };
    let found = std::fs::symlink_metadata(socket).map_err(unreachable)?;
    let own = rustix::process::geteuid().as_raw();
    if !found.file_type().is_socket() || (found.uid() != own && own != 0) {
        return Err(ControlError::Foreign { path: socket.to_owned() });
    }
    let exchange = || -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(unreachable)?;
    let value: Option<Value> = serde_json::from_slice(&answer).ok();
    let is_ok = |value: &Value| value.get("ok").and_then(Value::as_bool);
    match value.map(|value| (is_ok(&value), value)) {
        Some((Some(true), value)) => Ok(value),
        Some((Some(false), value)) => {
            let reason = value.get("error").and_then(Value::as_str).unwrap_or("refused");
            Err(ControlError::Refused { reason: reason.to_owned() })
        }
        _ => {
            let answer = String::from_utf8_lossy(&answer).chars().take(80).collect();
            Err(ControlError::NoAnswer { path: socket.to_owned(), answer })
        }
    }
}

/// Asks for the state.
///
/// # Errors
/// See [`ask`].
pub fn status(socket: &Path) -> Result<Status, ControlError> {
    let answer = ask(socket, "status", Duration::from_secs(2))?;
    let number = |key: &str| answer.get(key).and_then(Value::as_u64).unwrap_or(0);
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is = |key: &str| answer.get(key).and_then(Value::as_bool).unwrap_or(false);
    Ok(Status {
        pid: number("pid") as u32,
        is_armed: is("armed"),
        mode: text("mode"),
        kinds: text("kinds"),
        output: text("output").into(),
        n_rows: number("records"),
        bytes_written: number("bytes_written"),
        n_lost: number("losses"),
        cost: Duration::from_nanos(number("writer_cpu_ns").saturating_add(number("callback_ns"))),
        trouble: answer.get("trouble").and_then(Value::as_str).map(str::to_owned),
        has_write_failed: is("write_failed"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A listener that answers once.
    fn answering(answer: &'static str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::TempDir::new().expect("a folder");
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).expect("a socket");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut line = [0; 64];
            let _ = stream.read(&mut line);
            let _ = stream.write_all(answer.as_bytes());
        });
        (dir, path)
    }

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn answers_are_understood() {
        let (_dir, path) = answering(
            "{\"ok\":true,\"pid\":7,\"armed\":true,\"mode\":\"ring\",\"records\":5,\
             \"writer_cpu_ns\":3,\"callback_ns\":4,\"trouble\":\"t\"}\n",
        );
        let status = status(&path).expect("an answer");
        assert_eq!((status.pid, status.is_armed, status.n_rows), (7, true, 5));
        assert_eq!(status.cost, Duration::from_nanos(7));
        assert_eq!((status.mode.as_str(), status.trouble.as_deref()), ("ring", Some("t")));
    }

    #[test]
    fn refusals_and_strangers_are_errors() {
        let (_dir, path) = answering("{\"ok\":false,\"error\":\"no room\"}\n");
        let refused = ask(&path, "arm", LIMIT).expect_err("refused");
        assert_eq!(refused.to_string(), "no room");
        let (_dir, path) = answering("HTTP/1.1 400 Bad Request\r\n\r\n");
        let stranger = ask(&path, "arm", LIMIT).expect_err("a stranger");
        assert!(matches!(stranger, ControlError::NoAnswer { .. }), "{stranger}");
        let dir = tempfile::TempDir::new().expect("a folder");
        std::fs::write(dir.path().join("file"), "").expect("write");
        let foreign = ask(&dir.path().join("file"), "arm", LIMIT).expect_err("a file");
        assert!(matches!(foreign, ControlError::Foreign { .. }), "{foreign}");
        let none = ask(&dir.path().join("none"), "arm", LIMIT).expect_err("nothing");
        assert!(matches!(none, ControlError::Unreachable { .. }), "{none}");
    }
}

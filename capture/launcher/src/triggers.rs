//! What has an armed server give its last seconds away.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::LaunchError;

/// Longest head of a request that is read, bytes.
const MAX_HEAD: usize = 8 << 10;
/// How long a client may take.
const CLIENT_TIME: Duration = Duration::from_millis(500);

/// Watches for triggers: a file that is touched, a request on loopback.
#[derive(Debug, Default)]
pub struct Triggers {
    file: Option<(PathBuf, Option<SystemTime>)>,
    listener: Option<TcpListener>,
}

impl Triggers {
    /// Watches `file`, and listens on `http_port` of 127.0.0.1; 0 is a port that the system
    /// chooses.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn new(file: Option<&Path>, http_port: Option<u16>) -> Result<Self, LaunchError> {
        let listener = http_port.map(|port| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let address = format!("127.0.0.1:{}", http_port.unwrap_or(0));
        let listener = listener.transpose().map_err(LaunchError::at(address))?;
        Ok(Self { file: file.map(|path| (path.to_owned(), touched(path))), listener })
    }

    /// The port that is listened on.
    pub fn http_port(&self) -> Option<u16> {
        self.listener.as_ref()?.local_addr().ok().map(|address| address.port())
    }

    /// Why to act now, if there is a reason: one line.
    pub fn poll(&mut self) -> Option<String> {
        let mut reason = None;
        if let Some((path, last)) = &mut self.file {
            let now = touched(path);
            if now != *last && now.is_some() {
                reason = Some(format!("{} was touched", path.display()));
            }
            *last = now;
        }
        while let Some(Ok((client, _))) = self.listener.as_ref().map(TcpListener::accept) {
            // One who breaks off has asked for nothing.
            if let Ok(true) = serve(client) {
                reason = Some("a request asked for it".to_owned());
            }
        }
        reason
    }
}

fn touched(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// Answers one client; whether it asked for a capture.
fn serve(mut client: TcpStream) -> io::Result<bool> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(CLIENT_TIME))?;
    client.set_write_timeout(Some(CLIENT_TIME))?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MAX_HEAD {
        let mut part = [0; 1024];
        let n = client.read(&mut part)?;
        if n == 0 {
            break;
        }
        head.extend_from_slice(part.get(..n).unwrap_or_default());
    }
    let (status, is_asked) = answer(&String::from_utf8_lossy(&head));
    let body = if is_asked { "{\"ok\":true}\n" } else { "{\"ok\":false}\n" };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(is_asked)
}

/// The status line's end, and whether a capture is asked for.
fn answer(head: &str) -> (&'static str, bool) {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    if !version.is_some_and(|version| version.starts_with("HTTP/1.")) {
        return ("400 Bad Request", false);
    }
    // Pages in a browser can send requests here too, and say so.
    let is_from_page = lines.any(|line| {
        line.split_once(':').is_some_and(|(name, _)| {
            ["origin", "referer"].iter().any(|known| name.eq_ignore_ascii_case(known))
        })
    });
    match (method, target) {
        _ if is_from_page => ("403 Forbidden", false),
        (Some("POST"), Some("/dump")) => ("202 Accepted", true),
        (_, Some("/dump")) => ("405 Method Not Allowed", false),
        _ => ("404 Not Found", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_request_asks_for_a_capture() {
        for (head, expected) in [
            ("POST /dump HTTP/1.1\r\nHost: x\r\n\r\n", ("202 Accepted", true)),
            ("GET /dump HTTP/1.1\r\n\r\n", ("405 Method Not Allowed", false)),
            ("POST / HTTP/1.1\r\n\r\n", ("404 Not Found", false)),
            ("POST /dump HTTP/1.1\r\nOrigin: http://a\r\n\r\n", ("403 Forbidden", false)),
            ("POST /dump", ("400 Bad Request", false)),
            ("\u{fffd}\u{0}", ("400 Bad Request", false)),
            ("", ("400 Bad Request", false)),
        ] {
            assert_eq!(answer(head), expected, "{head:?}");
        }
    }

    #[test]
    fn a_request_and_a_touched_file_are_noticed_once() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let file = dir.path().join("trigger");
        let mut triggers = Triggers::new(Some(&file), Some(0)).expect("a port");
        assert_eq!(triggers.poll(), None);
        std::fs::write(&file, "").expect("write");
        assert!(triggers.poll().is_some_and(|reason| reason.contains("touched")));
        assert_eq!(triggers.poll(), None);
        let port = triggers.http_port().expect("it listens");
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        client.write_all(b"POST /dump HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
        while triggers.poll().is_none() {}
        let mut reply = String::new();
        client.read_to_string(&mut reply).expect("a reply");
        assert!(reply.starts_with("HTTP/1.1 202 "), "{reply}");
        assert_eq!(triggers.poll(), None);
        assert!(Triggers::new(None, Some(port)).is_err(), "the port is taken");
    }
}

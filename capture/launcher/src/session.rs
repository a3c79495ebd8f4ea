//! The folders of one recording: pieces beside the output, sockets in a private place.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::injection::escaped;
use crate::{LaunchError, Mode};

/// Sockets' paths may be 107 bytes long: this is what a folder may take.
const MAX_SOCKET_FOLDER_BYTES: usize = 80;

/// The folders of one recording. Sockets are removed with it; pieces stay until
/// [`Pieces::remove`], so that nothing is lost when the launcher is killed.
#[derive(Debug)]
pub struct Session {
    pieces: PathBuf,
    sockets: PathBuf,
    /// Removes the folder of sockets.
    _sockets: Option<TempDir>,
}

/// The files that processes recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// The folder of everything.
    pub folder: PathBuf,
    /// Captures of single processes.
    pub captures: Vec<PathBuf>,
    /// Those of them whose processes run on and have written all that they had: that they are not
    /// finished means no loss.
    pub flushed: Vec<PathBuf>,
    /// Folders of ring segments, one for each process.
    pub rings: Vec<PathBuf>,
    /// Files of the hook, spooled spans and counters: inputs of any importer.
    pub others: Vec<PathBuf>,
    /// Which stretch of time is wanted of them, in nanoseconds since the Unix epoch; `None` for
    /// all that there is.
    pub stretch: Option<(i64, i64)>,
}

impl Session {
    /// Makes the folders for a capture that will be at `output`.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub fn create(output: &Path) -> Result<Self, LaunchError> {
        let absolute = std::path::absolute(output).map_err(LaunchError::at(output))?;
        let pieces = create_beside(&absolute)?;
        let made = create_private(&pieces.join("hook")).map_err(LaunchError::at(&pieces));
        let sockets = made.and_then(|()| socket_folder()).inspect_err(|_| {
            let _ = fs::remove_dir_all(&pieces);
        })?;
        let path = sockets.path().to_owned();
        Ok(Self { pieces, sockets: path, _sockets: Some(sockets) })
    }

    /// The folders of a session that others made.
    pub fn at(pieces: PathBuf, sockets: PathBuf) -> Self {
        Self { pieces, sockets, _sockets: None }
    }

    /// Where files of processes are.
    pub fn pieces_dir(&self) -> &Path {
        &self.pieces
    }

    /// Where control sockets are, one for each process: `PID.sock`.
    pub fn sockets_dir(&self) -> &Path {
        &self.sockets
    }

    /// Where the hook writes.
    pub fn hook_dir(&self) -> PathBuf {
        self.pieces.join("hook")
    }

    /// `UNDERSPAN_OUTPUT`.
    pub(crate) fn output_pattern(&self, mode: Mode) -> OsString {
        let name = if mode == Mode::Ring { "%p" } else { "%p.uspan" };
        in_folder(&self.pieces, name)
    }

    /// `UNDERSPAN_SOCKET`.
    pub(crate) fn socket_pattern(&self) -> OsString {
        in_folder(&self.sockets, "%p.sock")
    }

    /// The files that are there now.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn pieces(&self) -> Result<Pieces, LaunchError> {
        Pieces::of(&self.pieces)
    }
}

impl Pieces {
    /// What is in a folder of pieces: captures and folders of ring segments, and below folders
    /// whose names are no process ids everything else.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of(folder: &Path) -> Result<Self, LaunchError> {
        let mut pieces = Self { folder: folder.to_owned(), ..Self::default() };
        for path in entries(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !path.is_dir() {
                pieces.captures.push(path);
            } else if name.starts_with(|c: char| c.is_ascii_digit()) {
                pieces.rings.push(path);
            } else {
                pieces.others.extend(entries(&path)?.into_iter().filter(|path| path.is_file()));
            }
        }
        Ok(pieces)
    }

    /// Adds the files that the hook has written into a folder.
    pub fn add_hook_files(&mut self, folder: &Path) {
        let files = entries(folder).unwrap_or_default();
        self.others.extend(files.into_iter().filter(|path| path.is_file()));
    }

    /// Whether no process recorded anything.
    pub fn is_empty(&self) -> bool {
        self.captures.is_empty() && self.rings.is_empty() && self.others.is_empty()
    }

    /// Whether there is nothing but, perhaps, one capture.
    pub(crate) fn holds_at_most(&self, capture: &Path) -> bool {
        let is_alone = self.captures.iter().all(|path| path == capture);
        is_alone && self.rings.is_empty() && self.others.is_empty()
    }

    /// Segments of a ring, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn segments(ring: &Path) -> Result<Vec<PathBuf>, LaunchError> {
        entries(ring)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self) -> Result<(), LaunchError> {
        fs::remove_dir_all(&self.folder).map_err(LaunchError::at(&self.folder))
    }
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, LaunchError> {
    let read = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().map_err(LaunchError::at(folder))?;
    paths.sort();
    Ok(paths)
}

fn in_folder(folder: &Path, name: &str) -> OsString {
    let mut path = escaped(folder);
    path.push("/");
    path.push(name);
    path
}

/// `cap.uspan.parts`, or with a number behind it when an earlier recording left one.
fn create_beside(output: &Path) -> Result<PathBuf, LaunchError> {
    let mut number = 1;
    loop {
        let mut path = output.as_os_str().to_owned();
        path.push(".parts");
        if number > 1 {
            path.push(format!(".{number}"));
        }
        let path = PathBuf::from(path);
        match create_private(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                number += 1;
            }
            Err(error) => return Err(LaunchError::at(path)(error)),
        }
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

fn socket_folder() -> Result<TempDir, LaunchError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let candidates = [runtime, Some(std::env::temp_dir()), Some("/tmp".into())];
    let mut last = None;
    for folder in candidates.into_iter().flatten() {
        if !folder.is_absolute() || folder.as_os_str().len() > MAX_SOCKET_FOLDER_BYTES - 20 {
            continue;
        }
        match tempfile::Builder::new().prefix("underspan-").tempdir_in(&folder) {
            Ok(made) => return Ok(made),
            Err(error) => last = Some(LaunchError::at(folder)(error)),
        }
    }
    let none = || LaunchError::at("/tmp")(io::Error::from(io::ErrorKind::NotFound));
    Err(last.unwrap_or_else(none))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_beside_the_output_and_are_told_apart() {
        let dir = TempDir::new().expect("a folder");
        let output = dir.path().join("cap.uspan");
        let session = Session::create(&output).expect("folders");
        let second = Session::create(&output).expect("another");
        assert!(session.pieces_dir().ends_with("cap.uspan.parts"));
        assert!(second.pieces_dir().ends_with("cap.uspan.parts.2"));
        fs::write(session.pieces_dir().join("7.uspan"), "x").expect("write");
        fs::create_dir_all(session.pieces_dir().join("8")).expect("a ring");
        fs::write(session.hook_dir().join("a.uhook"), "x").expect("write");
        let pieces = session.pieces().expect("readable");
        assert_eq!(
            (pieces.captures.len(), pieces.rings.len(), pieces.others.len()),
            (1, 1, 1),
            "{pieces:?}"
        );
        assert!(second.pieces().expect("readable").is_empty());
        pieces.remove().expect("removable");
        assert!(!session.pieces_dir().exists());
        let sockets = session.sockets_dir().to_owned();
        drop(session);
        assert!(!sockets.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let error = Session::create(Path::new("/proc/nowhere/cap.uspan")).expect_err("no folder");
        assert!(error.to_string().contains("/proc/nowhere"), "{error}");
    }
}

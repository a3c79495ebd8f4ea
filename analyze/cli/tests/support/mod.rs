//! Runs `underspan record` on hosts of the GPU double.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use underspan_model::{StringId, Timeline};
use underspan_native::read_timeline;

/// A folder with a libcupti double in it.
pub struct Bench {
    pub dir: TempDir,
    cupti: PathBuf,
    environment: Vec<(String, String)>,
}

impl Bench {
    pub fn new() -> Self {
        let dir = TempDir::new().expect("a folder");
        let newest = *fake_cupti::PROFILES.last().expect("a release");
        let cupti = fake_cupti::Release(newest).write(dir.path()).expect("a double");
        Self { dir, cupti, environment: Vec::new() }
    }

    /// Sets a variable for everything that is run.
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref().to_str().expect("UTF-8").to_owned();
        self.environment.push((name.to_owned(), value));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `underspan` with these words, to be run in the folder.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_underspan"));
        command
            .args(words)
            .current_dir(self.dir.path())
            .env_remove("UNDERSPAN_COLLECTOR")
            .env("UNDERSPAN_CUPTI", &self.cupti)
            .env("UNDERSPAN_EXIT_MS", "30000")
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .env("UNDERSPAN_FLUSH_MS", "20")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `underspan record -o cap.uspan OPTIONS -- HOST`.
    pub fn record(&self, options: &[&str], host: &[&str]) -> Output {
        self.recording(options, host).wait_with_output().expect("it ends")
    }

    /// Starts `underspan record -o cap.uspan OPTIONS -- HOST`.
    pub fn recording(&self, options: &[&str], host: &[&str]) -> Child {
        let words = [&["record", "-o", "cap.uspan"], options, &["--"], host].concat();
        self.command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("underspan starts")
    }

    pub fn capture(&self) -> Timeline {
        read_timeline(&self.path("cap.uspan")).expect("a readable capture")
    }

    /// Files in the folder.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).expect("a folder").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Waits until a collector's socket is there. Sockets are in a private folder of the session.
    pub fn until_listening(&self) {
        let is_there = || {
            let entries = std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
            let sessions = entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("underspan-"));
            let files = sessions
                .flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten())
                .flatten();
            files.into_iter().any(|file| file.file_name().to_string_lossy().ends_with(".sock"))
        };
        while !is_there() {
            std::thread::yield_now();
        }
    }

    /// Waits until pieces of that many processes have rows.
    pub fn until_recorded(&self, n_processes: usize) {
        let parts = self.path("cap.uspan.parts");
        let n_filled = || {
            let entries = std::fs::read_dir(&parts).into_iter().flatten().flatten();
            entries
                .filter(|entry| entry.file_name().to_string_lossy().ends_with(".uspan"))
                .filter(|entry| entry.metadata().is_ok_and(|file| file.len() > 5000))
                .count()
        };
        while n_filled() < n_processes {
            std::thread::yield_now();
        }
    }
}

/// The serving process.
pub fn server() -> String {
    built("examples/fake-server")
}

/// A file that was built along with the running test.
pub fn built(name: &str) -> String {
    let program = std::env::current_exe().expect("a path");
    let dirs = program.ancestors().skip(1).take(3).map(Path::to_owned);
    let found = dirs.map(|dir| dir.join(name)).find(|path| path.is_file());
    let found = found.unwrap_or_else(|| panic!("{name} was not built along with the test"));
    found.to_str().expect("UTF-8").to_owned()
}

/// A C program or library, compiled into the folder.
pub fn compiled(bench: &Bench, name: &str, source: &str, flags: &[&str]) -> String {
    let (path, output) = (bench.path(&format!("{name}.c")), bench.path(name));
    std::fs::write(&path, source).expect("write the source");
    let mut cc = Command::new("cc");
    cc.arg("-w").args(flags).arg(&path).arg("-o").arg(&output).arg("-ldl");
    assert!(cc.status().expect("run cc").success());
    output.to_str().expect("UTF-8").to_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Name, parent and rank of each process of a capture, by process id.
pub fn processes(timeline: &Timeline) -> Vec<(i64, String, i64, u32)> {
    let rows = timeline.dimensions.processes.iter();
    let mut found: Vec<_> = rows
        .map(|row| {
            let name = timeline.strings.resolve_or_empty(StringId::from_raw(row.name));
            (row.pid, name.to_owned(), row.parent_pid, row.rank)
        })
        .collect();
    found.sort();
    found
}

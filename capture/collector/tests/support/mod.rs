//! Runs the host program with the collector in it and reads what it recorded.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use cupti_sys::Toolkit;
use fake_cupti::{Profile, Release};
use tempfile::TempDir;
use underspan_model::{ProblemKind, Timeline};
use underspan_native::read_timeline;

/// A folder, a libcupti double in it, and an environment.
pub struct Bench {
    pub dir: TempDir,
    environment: Vec<(String, String)>,
}

/// What a host printed and left behind.
pub struct Outcome {
    pub status: ExitStatus,
    pub lines: Vec<String>,
    pub stderr: String,
}

/// A host that is running.
pub struct Running {
    pub child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    lines: Vec<String>,
}

impl Bench {
    /// Streams into `cap.uspan`, with the double of `toolkit` and small, quick settings.
    pub fn of(toolkit: Toolkit) -> Self {
        let dir = TempDir::new().expect("a folder");
        let profile = Profile::of(toolkit).expect("the double plays this release");
        let library = Release(profile).write(dir.path()).expect("a library for the release");
        let mut bench = Self { dir, environment: Vec::new() };
        bench.set("UNDERSPAN_CUPTI", library.to_str().expect("UTF-8"));
        bench.set("UNDERSPAN_MODE", "stream");
        bench.set("UNDERSPAN_FLUSH_MS", "5");
        bench.set("UNDERSPAN_EXIT_MS", "30000");
        // Enough for every test's records even if the writer gets no time at all.
        bench.set("UNDERSPAN_BUFFER_BYTES", "524288");
        bench.set("UNDERSPAN_BUFFERS", "64");
        let output = bench.path("cap.uspan");
        bench.set("UNDERSPAN_OUTPUT", output.to_str().expect("UTF-8"));
        bench
    }

    /// Sets a variable of the host.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Sets a variable of the host and goes on.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Listens on `sock`.
    pub fn with_socket(mut self) -> Self {
        let socket = self.path("sock");
        self.set("UNDERSPAN_SOCKET", socket.to_str().expect("UTF-8"));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the host.
    pub fn start(&self, actions: &[&str]) -> Running {
        let mut child = Command::new(built("examples/host"))
            .arg(built("libunderspan_collector.so"))
            .args(actions)
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the host");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Running { child, stdin, stdout, lines: Vec::new() }
    }

    /// Runs the host to its end.
    pub fn run(&self, actions: &[&str]) -> Outcome {
        self.start(actions).finish()
    }

    /// The capture.
    pub fn capture(&self) -> Timeline {
        read_timeline(&self.path("cap.uspan")).expect("a readable capture")
    }

    /// Sends one line to the control socket; answers the reply.
    pub fn ask(&self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes())
    }

    /// Sends bytes to the control socket and closes that side; answers the reply.
    pub fn send(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.path("sock")).expect("the control socket");
        // A long line is refused before it was read to the end.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        reply
    }
}

impl Running {
    /// Reads the host's lines up to one that begins like this.
    pub fn until(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            let n = self.stdout.read_line(&mut line).expect("a line");
            assert!(n > 0, "the host ended before it said {beginning:?}: {:?}", self.lines);
            let line = line.trim_end().to_owned();
            self.lines.push(line.clone());
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    /// Lets a waiting host go on.
    pub fn go_on(&mut self) {
        let stdin = self.stdin.as_mut().expect("a pipe");
        stdin.write_all(b"\n").expect("the host listens");
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Outcome {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        self.lines.extend(rest.lines().map(str::to_owned));
        let output = self.child.wait_with_output().expect("the host ends");
        Outcome {
            status: output.status,
            lines: self.lines,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Outcome {
    /// The number after a word.
    pub fn number(&self, word: &str) -> u64 {
        let number =
            self.lines.iter().rev().find_map(|line| line.strip_prefix(word)?.trim().parse().ok());
        number.unwrap_or_else(|| panic!("no {word} in {:?}", self.lines))
    }

    /// Fails unless the host ended well and the double has nothing to complain about.
    #[track_caller]
    pub fn assert_well(&self) {
        assert!(self.status.success(), "{:?}: {:?} {}", self.status, self.lines, self.stderr);
        let complaints: Vec<_> =
            self.lines.iter().filter(|line| line.starts_with("violation ")).collect();
        assert_eq!(complaints, Vec::<&String>::new());
    }
}

/// Losses of a capture: how many records are accounted for as lost.
pub fn lost(timeline: &Timeline) -> u64 {
    [
        ProblemKind::BufferStarved,
        ProblemKind::RecordDropped,
        ProblemKind::ZeroTimestamp,
        ProblemKind::InvertedTimestamp,
        ProblemKind::UnknownRecordKind,
        ProblemKind::MalformedEvent,
    ]
    .into_iter()
    .map(|kind| timeline.problems.count(kind))
    .sum()
}

/// Records of a capture that came from CUPTI.
pub fn n_records(timeline: &Timeline) -> u64 {
    let own = timeline.overheads.iter().filter(|row| {
        timeline.strings.resolve(underspan_model::StringId::from_raw(row.name))
            == Some("underspan_write")
    });
    let n_own = own.count() as u64;
    let n = timeline.kernels.len()
        + timeline.memcpys.len()
        + timeline.memsets.len()
        + timeline.api_calls.len()
        + timeline.syncs.len()
        + timeline.graph_launches.len()
        + timeline.overheads.len();
    n as u64 - n_own
}

/// The ledger as text.
pub fn problems(timeline: &Timeline) -> BTreeMap<&'static str, u64> {
    timeline.problems.iter().map(|problem| (problem.kind.name(), problem.count)).collect()
}

/// A file that was built along with the running test.
pub fn built(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a path");
    let dirs = program.ancestors().skip(1).take(3).map(Path::to_owned);
    dirs.map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} was not built along with {}", program.display()))
}

//! Asks what is installed beside a server, before it is started.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Environment, base_name};

/// How a Python server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonLaunch {
    /// Through a script whose first line names the interpreter.
    Script(OsString),
    /// Through the interpreter.
    Interpreter(OsString),
}

/// What a Python server needs to be given a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonRequirement<'a> {
    /// Modules that must be found; the first is the server's own package.
    pub modules: &'a [&'a str],
    /// A file of that package…
    pub source: &'a str,
    /// …that holds this text.
    pub text: &'a str,
}

/// Knows what is installed.
pub trait Installed {
    /// Whether a Python server has what is required; `None` when that cannot be found out.
    fn python_has(
        &self,
        launch: &PythonLaunch,
        requirement: &PythonRequirement<'_>,
    ) -> Option<bool>;

    /// Whether a text stands in the file of a program; `None` when it cannot be read.
    fn program_mentions(&self, program: &OsStr, text: &str) -> Option<bool>;
}

/// Looks at this machine, as a server started with an environment would see it.
#[derive(Debug, Clone)]
pub struct SystemInstalled {
    environment: Environment,
}

/// How long a Python may take to say what it has.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Longest first line of a script.
const SHEBANG_BYTES: u64 = 512;
const BLOCK_BYTES: usize = 1 << 20;

/// Finds modules without importing the server's package: that can take seconds.
const QUESTION: &str = r"
import importlib.util, os, sys
source, text, modules = sys.argv[1], sys.argv[2], sys.argv[3:]
def found(name):
    try:
        return importlib.util.find_spec(name)
    except Exception:
        return None
specs = [found(name) for name in modules]
yes = all(spec is not None for spec in specs)
if yes:
    yes = False
    for folder in specs[0].submodule_search_locations or []:
        try:
            with open(os.path.join(folder, source), encoding='utf-8', errors='replace') as file:
                yes = yes or text in file.read()
        except OSError:
            pass
print('underspan', 'yes' if yes else 'no')
";

impl SystemInstalled {
    /// Looks with the `PATH` and the Python variables of `environment`.
    pub fn new(environment: &Environment) -> Self {
        Self { environment: environment.clone() }
    }

    /// The file of a program.
    fn find(&self, program: &OsStr) -> Option<PathBuf> {
        if program.as_bytes().contains(&b'/') {
            return Some(PathBuf::from(program));
        }
        let path = self.environment.get(OsStr::new("PATH"))?;
        std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| {
            file.metadata()
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
    }

    /// The interpreter of a script, from its first line.
    fn interpreter(&self, script: &Path) -> Option<PathBuf> {
        let mut line = Vec::new();
        let file = File::open(script).ok()?;
        BufReader::new(file.take(SHEBANG_BYTES)).read_until(b'\n', &mut line).ok()?;
        let line = std::str::from_utf8(line.strip_prefix(b"#!")?).ok()?;
        let mut words = line.split_whitespace();
        let first = words.next()?;
        // `#!/usr/bin/env python3`
        let program = if base_name(OsStr::new(first)) == "env" { words.next()? } else { first };
        base_name(OsStr::new(program))
            .starts_with("python")
            .then(|| self.find(OsStr::new(program)))?
    }
}

impl Installed for SystemInstalled {
    fn python_has(
        &self,
        launch: &PythonLaunch,
        requirement: &PythonRequirement<'_>,
    ) -> Option<bool> {
        let python = match launch {
            PythonLaunch::Interpreter(program) => self.find(program)?,
            PythonLaunch::Script(program) => self.interpreter(&self.find(program)?)?,
        };
        let mut child = Command::new(python)
            .arg("-c")
            .arg(QUESTION)
            .args([requirement.source, requirement.text])
            .args(requirement.modules)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let deadline = Instant::now() + ANSWER_TIME;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return None;
                }
            }
        };
        // One line; less than a pipe holds.
        let mut answer = String::new();
        child.stdout.take()?.take(1 << 16).read_to_string(&mut answer).ok()?;
        if !status.success() {
            return None;
        }
        // What a site's own start files print stands in front of it.
        match answer.trim_end().lines().last()? {
            "underspan yes" => Some(true),
            "underspan no" => Some(false),
            _ => None,
        }
    }

    fn program_mentions(&self, program: &OsStr, text: &str) -> Option<bool> {
        let mut file = File::open(self.find(program)?).ok()?;
        let finder = memchr::memmem::Finder::new(text);
        let mut block = Vec::with_capacity(BLOCK_BYTES + text.len());
        loop {
            let n = (&mut file).take(BLOCK_BYTES as u64).read_to_end(&mut block).ok()?;
            if finder.find(&block).is_some() {
                return Some(true);
            }
            if n == 0 {
                return Some(false);
            }
            // The text may lie across two blocks.
            let kept = block.len().min(text.len());
            block.drain(..block.len() - kept);
        }
    }
}

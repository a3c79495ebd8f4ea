//! What the environment asks for.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use crate::kinds::KindSet;
use crate::pool::MAX_BUFFERS;

/// What the collector does when the process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing at all: no thread, no socket.
    Off,
    /// Waits on its socket. No CUPTI call is made before it is armed.
    Dormant,
    /// Records everything into one file, from the start.
    Stream,
    /// Records into a folder of short segments and keeps the last ones.
    Ring,
}

/// Whether other profilers are kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Subscribe: others that subscribe are refused, and modules are watched.
    Hold,
    /// Do not subscribe: whoever registers last gets the buffers.
    Yield,
}

/// Which generation of CUPTI's activity interface is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendChoice {
    /// The process-wide interface that every release has.
    V1,
    /// User-defined records, from 13.3 on.
    UserDefined,
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// See [`Mode`].
    pub mode: Mode,
    /// What is recorded once armed.
    pub kinds: KindSet,
    /// The capture file; in ring mode the folder of segments. `%p` is the process id.
    pub output: PathBuf,
    /// The control socket; none when `None`.
    pub socket: Option<PathBuf>,
    /// See [`Policy`].
    pub policy: Policy,
    /// See [`BackendChoice`].
    pub backend: BackendChoice,
    /// Length of one activity buffer.
    pub buffer_bytes: usize,
    /// Activity buffers made ready at the start.
    pub buffers: usize,
    /// Activity buffers at most.
    pub max_buffers: usize,
    /// Time between flushes of CUPTI and of the file.
    pub flush_every: Duration,
    /// Time between readings of the clocks.
    pub anchor_every: Duration,
    /// What ring mode keeps.
    pub ring_window: Duration,
    /// Number of segments that make up the window.
    pub ring_segments: u32,
    /// How long the end of the process may be held up.
    pub exit_within: Duration,
    /// How long a buffer with records may stay away before another profiler is suspected.
    pub takeover_after: Duration,
    /// Whether NVTX annotations are recorded.
    pub nvtx: bool,
    /// Most buffers on each device; `None` leaves CUPTI's choice.
    pub device_buffer_limit: Option<usize>,
    /// Another tool's injection library, to be loaded as well.
    pub chain: Option<PathBuf>,
    /// Most that recording may cost, in thousandths of one core.
    pub overhead_budget: Option<u32>,
    /// How long it may cost more.
    pub overhead_window: Duration,
    /// Settings that were not understood, in words.
    pub complaints: Vec<String>,
}

impl Config {
    /// Reads the environment of this process.
    pub fn of_this_process() -> Self {
        Self::read(|name| std::env::var_os(name), std::process::id())
    }

    /// Reads settings through `variable`. What is not understood keeps its default and is named in
    /// [`Config::complaints`].
    pub fn read(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let mut complaints = Vec::new();
        let mut reader = Reader { variable: &variable, complaints: &mut complaints };
        let mode = reader.choice(
            "UNDERSPAN_MODE",
            Mode::Dormant,
            &[
                ("off", Mode::Off),
                ("dormant", Mode::Dormant),
                ("stream", Mode::Stream),
                ("ring", Mode::Ring),
            ],
        );
        let policy = reader.choice(
            "UNDERSPAN_SUBSCRIBE",
            Policy::Hold,
            &[("hold", Policy::Hold), ("yield", Policy::Yield)],
        );
        let backend = reader.choice(
            "UNDERSPAN_BACKEND",
            BackendChoice::V1,
            &[("v1", BackendChoice::V1), ("user-defined", BackendChoice::UserDefined)],
        );
        let nvtx = reader.choice("UNDERSPAN_NVTX", true, &[("on", true), ("off", false)]);
        let kinds = reader.parsed("UNDERSPAN_KINDS", KindSet::LITE, KindSet::parse);
        let number = |low: u64, high: u64| {
            move |text: &str| text.parse::<u64>().ok().filter(|n| (low..=high).contains(n))
        };
        let buffer_bytes =
            reader.parsed("UNDERSPAN_BUFFER_BYTES", 4 << 20, number(4096, 64 << 20)) as usize;
        let max_buffers =
            reader.parsed("UNDERSPAN_BUFFERS_MAX", 64, number(1, MAX_BUFFERS as u64)) as usize;
        let buffers = reader.parsed("UNDERSPAN_BUFFERS", 8, number(1, MAX_BUFFERS as u64)) as usize;
        let flush_ms = reader.parsed("UNDERSPAN_FLUSH_MS", 250, number(1, 60_000));
        let anchor_ms = reader.parsed("UNDERSPAN_ANCHOR_MS", 1000, number(1, 1000));
        let ring_s = reader.parsed("UNDERSPAN_RING_MS", 30_000, number(1, 86_400_000));
        let ring_segments = reader.parsed("UNDERSPAN_RING_SEGMENTS", 6, number(1, 1000)) as u32;
        let exit_ms = reader.parsed("UNDERSPAN_EXIT_MS", 1000, number(0, 60_000));
        let takeover_ms = reader.parsed("UNDERSPAN_TAKEOVER_MS", 5000, number(1, 3_600_000));
        let device_buffer_limit = reader
            .parsed("UNDERSPAN_DEVICE_BUFFER_LIMIT", None, |text| text.parse().ok().map(Some));
        let overhead_budget = reader.parsed("UNDERSPAN_OVERHEAD_BUDGET", None, |text| {
            let tenths = tenths(text.trim_end_matches('%'))?;
            (1..=100_000).contains(&tenths).then_some(Some(tenths))
        });
        let overhead_ms =
            reader.parsed("UNDERSPAN_OVERHEAD_WINDOW_MS", 3000, number(30, 3_600_000));
        let path = |name| variable(name).filter(|value| !value.is_empty());
        let output = path("UNDERSPAN_OUTPUT").unwrap_or_else(|| "underspan-%p.uspan".into());
        let socket = path("UNDERSPAN_SOCKET").map(|pattern| expand(pattern, pid));
        Self {
            mode,
            kinds,
            output: expand(output, pid),
            socket,
            policy,
            backend,
            buffer_bytes: buffer_bytes.next_multiple_of(4096),
            buffers: buffers.min(max_buffers),
            max_buffers,
            flush_every: Duration::from_millis(flush_ms),
            anchor_every: Duration::from_millis(anchor_ms),
            ring_window: Duration::from_millis(ring_s),
            ring_segments,
            exit_within: Duration::from_millis(exit_ms),
            takeover_after: Duration::from_millis(takeover_ms),
            nvtx,
            chain: path("UNDERSPAN_CHAIN").map(PathBuf::from),
            overhead_budget,
            overhead_window: Duration::from_millis(overhead_ms),
            device_buffer_limit,
            complaints,
        }
    }
}

struct Reader<'a, V> {
    variable: &'a V,
    complaints: &'a mut Vec<String>,
}

impl<V: Fn(&str) -> Option<OsString>> Reader<'_, V> {
    fn parsed<T>(&mut self, name: &str, default: T, parse: impl Fn(&str) -> Option<T>) -> T {
        let Some(value) = (self.variable)(name).filter(|value| !value.is_empty()) else {
            return default;
        };
        let text = value.to_string_lossy();
        parse(text.trim()).unwrap_or_else(|| {
            self.complaints.push(format!("{name}={text} is not understood; the default is used"));
            default
        })
    }

    fn choice<T: Copy>(&mut self, name: &str, default: T, choices: &[(&str, T)]) -> T {
        self.parsed(name, default, |text| {
            choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        })
    }
}

/// A decimal number in tenths, what is finer cut off. Not read as an `f64`: its parser is 15 KB of
/// tables and code in every process that is recorded.
fn tenths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let tenth = fraction.bytes().next().map_or(0, |digit| u32::from(digit - b'0'));
    let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(10)?.checked_add(tenth)
}

/// `%p` becomes the process id, `%%` a percent sign; anything else stays.
fn expand(pattern: OsString, pid: u32) -> PathBuf {
    let bytes = pattern.as_bytes();
    let mut path = Vec::with_capacity(bytes.len() + 8);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'%', Some(b'p')) => path.extend_from_slice(pid.to_string().as_bytes()),
            (b'%', Some(b'%')) => path.push(b'%'),
            _ => {
                path.push(byte);
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    PathBuf::from(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Config {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into());
        Config::read(find, 42)
    }

    #[test]
    fn an_empty_environment_is_dormant() {
        let config = read(&[]);
        assert_eq!(
            (config.mode, config.kinds, config.socket),
            (Mode::Dormant, KindSet::LITE, None)
        );
        assert_eq!(config.output, PathBuf::from("underspan-42.uspan"));
        assert!(config.complaints.is_empty(), "{:?}", config.complaints);
    }

    #[test]
    fn values_are_read_and_strangers_are_named() {
        let config = read(&[
            ("UNDERSPAN_MODE", "ring"),
            ("UNDERSPAN_KINDS", "api"),
            ("UNDERSPAN_OUTPUT", "a%%b%q-%p"),
            ("UNDERSPAN_SOCKET", "s.%p"),
            ("UNDERSPAN_BUFFERS", "500"),
            ("UNDERSPAN_FLUSH_MS", "soon"),
        ]);
        assert_eq!((config.mode, config.kinds), (Mode::Ring, KindSet::API));
        assert_eq!(config.output, PathBuf::from("a%b%q-42"));
        assert_eq!(config.socket, Some("s.42".into()));
        assert_eq!(config.complaints.len(), 2, "{:?}", config.complaints);
        assert!(config.complaints[1].contains("UNDERSPAN_FLUSH_MS=soon"));
    }

    #[test]
    fn budgets_are_percents_of_a_core_with_one_decimal() {
        for (text, thousandths) in
            [("0.1", 1), ("5", 50), ("2.56%", 25), (".5", 5), ("3.", 30), ("10000", 100_000)]
        {
            let config = read(&[("UNDERSPAN_OVERHEAD_BUDGET", text)]);
            assert_eq!(config.overhead_budget, Some(thousandths), "{text}");
        }
        for text in ["0.09", "10000.1", "-1", "1e2", ".", "%", "1.2.3", "4294967296", "NaN"] {
            let config = read(&[("UNDERSPAN_OVERHEAD_BUDGET", text)]);
            assert_eq!((config.overhead_budget, config.complaints.len()), (None, 1), "{text}");
        }
    }
}

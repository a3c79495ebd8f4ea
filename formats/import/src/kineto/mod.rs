//! Kineto traces: the JSON that PyTorch's profiler writes, in Chrome's trace event format.
//!
//! # The bytes
//!
//! UTF-8 JSON, plain or compressed as a whole (gzip, zstd): an object whose `traceEvents` is an
//! array of events, or that array bare. Other members of the object stand before or after it.
//!
//! ```json
//! {"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "…", "numSms": 132, …}],
//!  "baseTimeNanoseconds": 1751410836000000000, "distributedInfo": {"rank": 0, …},
//!  "traceEvents": [
//!   {"ph": "X", "cat": "kernel", "name": "…", "pid": 0, "tid": 7, "ts": 1428625731896.179,
//!    "dur": 12.5, "args": {"device": 0, "context": 1, "stream": 7, "correlation": 682747,
//!    "External id": 18437, "grid": [1, 1, 1], "block": [128, 1, 1], …}},
//!   …]}
//! ```
//!
//! `ts` and `dur` are microseconds in decimal; with `baseTimeNanoseconds` times count from there
//! and have nanosecond digits, without it they are whole microseconds of the epoch.
//!
//! | `ph` | becomes |
//! |---|---|
//! | `X`, `B`+`E` | a row of the table its `cat` names |
//! | `C`, `i` of the allocator | counter samples |
//! | `M` | names of processes and threads |
//! | `s` `t` `f` | nothing: flow arrows repeat the correlation id; counted as a property |
//! | others | nothing: counted as a problem of severity note |
//!
//! `cat` of 2021 (`Kernel`, `Runtime`, `Operator`) and later (`kernel`, `cuda_runtime`, `cpu_op`)
//! mean the same; HIP calls come as `cuda_runtime`. Kineto gives one number for a kernel's shared
//! memory, the sum of static and dynamic; it is kept as the dynamic one.
//!
//! # How it is read
//!
//! The content goes through a window of some megabytes, so memory holds the rows and two windows,
//! whatever the file's size and compression. The events of a window are parsed in parts on all
//! threads: where a part begins is guessed, and the guess is checked against where the part before
//! it ended. Most events are read by comparison with events before them (the fast path); what does
//! not compare goes to the general parser. Input that is cut off is an error, unless
//! [`ImportOptions::accept_truncated`](crate::ImportOptions) asks for what lies before the cut.

mod assembly;
mod category;
mod content;
mod counters;
mod cursor;
mod device_rows;
mod document;
mod event;
mod facts;
mod finish;
mod general;
mod host_rows;
mod identity;
mod labels;
mod lane;
mod number;
mod part;
mod parts;
mod ranges;
mod rows;
mod skeleton;
mod skipper;
mod text;

use underspan_model::Timeline;

use self::parts::Reading;
use crate::input::InputFile;
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

/// Reads Kineto and other Chrome-format traces.
#[derive(Debug, Clone, Copy)]
pub struct KinetoImporter {
    reading: Reading,
}

impl KinetoImporter {
    /// The importer.
    pub const fn new() -> Self {
        Self { reading: Reading::Fast }
    }

    /// The importer without its fast path: slower, with the same result. For comparison.
    pub const fn without_fast_path() -> Self {
        Self { reading: Reading::General }
    }
}

impl Default for KinetoImporter {
    fn default() -> Self {
        Self::new()
    }
}

impl Importer for KinetoImporter {
    fn format(&self) -> &'static str {
        document::FORMAT
    }

    fn title(&self) -> &'static str {
        "a PyTorch (Kineto) trace in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        probe(head.head)
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        document::read(input, options, progress, self.reading)
    }
}

/// Judges the first bytes: a trace shows its events, or facts only a trace has, or could be one.
fn probe(head: &[u8]) -> Probe {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let has = |needle: &str| memchr::memmem::find(text, needle.as_bytes()).is_some();
    match text.first() {
        Some(b'{')
            if has("\"traceEvents\"")
                || has("\"schemaVersion\"") && has("\"deviceProperties\"") =>
        {
            Probe::Yes
        }
        Some(b'[') if text[1..].trim_ascii_start().first() == Some(&b'{') && has("\"ph\"") => {
            Probe::Yes
        }
        Some(b'{') => Probe::Maybe,
        _ => Probe::No,
    }
}

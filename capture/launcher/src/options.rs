//! What `underspan record` was asked to do.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How processes record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything, into one file for each process.
    #[default]
    Stream,
    /// The last seconds only.
    Ring,
    /// Nothing until armed through the control socket; no CUPTI call before.
    Dormant,
}

impl Mode {
    /// The word of `UNDERSPAN_MODE`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Ring => "ring",
            Self::Dormant => "dormant",
        }
    }
}

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kinds {
    /// Kernels, copies and fills; graph launches as wholes.
    #[default]
    Lite,
    /// The same with graphs node by node.
    Node,
    /// The same, and calls and waits of the host.
    Api,
    /// Graph launches as wholes, and calls and waits of the host.
    LiteApi,
}

impl Kinds {
    /// The word of `UNDERSPAN_KINDS` and of the control socket.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lite => "lite",
            Self::Node => "node",
            Self::Api => "api",
            Self::LiteApi => "lite+api",
        }
    }
}

/// Everything that [`record`](crate::record) needs to know.
#[derive(Clone, Debug, Default)]
pub struct RecordOptions {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// The capture that will be made; pieces are kept beside it until then.
    pub output: PathBuf,
    /// How processes record.
    pub mode: Mode,
    /// What they record.
    pub kinds: Kinds,
    /// How long to record; until the command ends when `None`.
    pub duration: Option<Duration>,
    /// How long to wait before recording.
    pub delay: Option<Duration>,
    /// Bytes of all pieces together at which recording stops.
    pub max_size_bytes: Option<u64>,
    /// What recording may cost, in percent of one core.
    pub overhead_budget_percent: Option<f64>,
    /// What ring mode keeps; the collector's default when `None`.
    pub ring_window: Option<Duration>,
    /// Leave Python alone.
    pub without_hook: bool,
    /// Leave OpenTelemetry exports alone.
    pub without_otlp: bool,
    /// Load another tool's injection library as well, instead of refusing to run beside it.
    pub chain: bool,
    /// Further variables of the command's environment.
    pub extra_variables: Vec<(&'static str, OsString)>,
}

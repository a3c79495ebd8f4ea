//! What a capture as a whole is.

/// The clock that a capture's timestamps are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClockDomain {
    /// Nanoseconds since the Unix epoch.
    Realtime,
    /// Nanoseconds since an unstated point, never stepped.
    Monotonic,
    /// Whatever the source counts from: only differences mean something.
    #[default]
    SourceRelative,
}

impl ClockDomain {
    /// The name files and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Monotonic => "monotonic",
            Self::SourceRelative => "source_relative",
        }
    }

    /// The value as stored in a column; zero is kept for "not stated".
    pub const fn code(self) -> u8 {
        match self {
            Self::Realtime => 1,
            Self::Monotonic => 2,
            Self::SourceRelative => 3,
        }
    }

    /// The meaning of a stored value; `None` for zero and for a value of a later version.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Realtime),
            2 => Some(Self::Monotonic),
            3 => Some(Self::SourceRelative),
            _ => None,
        }
    }

    /// The domain with this name; `None` for a name of a later version.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Realtime, Self::Monotonic, Self::SourceRelative]
            .into_iter()
            .find(|domain| domain.as_str() == name)
    }
}

/// What a capture as a whole is: where it came from and what its times mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaptureInfo {
    /// Format the capture was made in, kept when it is stored as `.uspan`: `kineto_json`,
    /// `nsys_sqlite`, `uspan` (recorded by the collector), or several joined with `+`.
    pub format: String,
    /// Clock of all timestamps.
    pub clock: ClockDomain,
}

impl CaptureInfo {
    /// Describes this capture joined with another: formats side by side, and a clock only when
    /// both have the same one.
    pub(crate) fn join(&mut self, other: &Self) {
        if self.format.is_empty() {
            *self = other.clone();
            return;
        }
        if !self.format.split('+').any(|format| format == other.format) {
            self.format = format!("{}+{}", self.format, other.format);
        }
        if self.clock != other.clock {
            self.clock = ClockDomain::SourceRelative;
        }
    }
}

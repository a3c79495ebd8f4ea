//! What a detector is, and what it can say.

use underspan_engine::Evidence;

use crate::Case;
use crate::replay::Removal;

/// Where a cause lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The model itself is the cost.
    Model,
    /// The way it is served.
    Runtime,
    /// The machine.
    Hardware,
    /// Before or after the serving boundary.
    Outside,
}

impl Layer {
    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Runtime => "runtime",
            Self::Hardware => "hardware",
            Self::Outside => "outside",
        }
    }
}

/// How well a number is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// By a rule of thumb, an upper bound or membership by time.
    Estimated,
    /// Computed from what was measured.
    Derived,
    /// Read off the capture.
    Measured,
}

impl Grade {
    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Estimated => "estimated",
            Self::Derived => "derived",
            Self::Measured => "measured",
        }
    }
}

/// A setting to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its key, as the engine spells it.
    pub key: String,
    /// Its value now; `None` when not declared.
    pub current: Option<String>,
    /// The value to try.
    pub suggested: String,
}

/// What a detector found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which detector.
    pub id: &'static str,
    /// What is wrong, in one sentence with its numbers.
    pub summary: String,
    /// What it took, as time to take out of the schedule.
    pub removal: Removal,
    /// How well that is known.
    pub grade: Grade,
    /// Rows that show it, the most telling first.
    pub evidence: Vec<Evidence>,
    /// Positions of requests it touched, in the order of [`Requests`](underspan_engine::Requests).
    pub requests: Vec<u32>,
    /// What speaks against it, or would.
    pub counter_evidence: Vec<String>,
    /// What to do.
    pub remedy: String,
    /// A setting that does it, where one is known.
    pub setting: Option<Setting>,
    /// How to make sure.
    pub confirm: String,
}

/// What a detector says of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Detection {
    /// The case lacks what it needs, which this names.
    MissingInput(&'static str),
    /// Looked at, and nothing wrong; the numbers that say so.
    Clear(String),
    /// Something is wrong.
    Found(Box<Finding>),
}

/// One kind of fault.
pub trait Detector: Sync {
    /// `D1` to `D19`.
    fn id(&self) -> &'static str;

    /// What it looks for, in a few words.
    fn title(&self) -> &'static str;

    /// Where its cause lies.
    fn layer(&self) -> Layer;

    /// What it is, how it is told from look-alikes, and what to do, in a paragraph or two.
    fn explanation(&self) -> &'static str;

    /// Looks at a case.
    fn detect(&self, case: &Case<'_>) -> Detection;
}

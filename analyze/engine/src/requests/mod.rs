//! Requests: which steps each was in, and where every nanosecond of its span went.

mod part;
mod request;

use underspan_model::tables::Rung;

pub use part::{Evidence, Part, PartKind};
pub use request::{
    Membership, Request, RequestOrigin, RequestStep, RequestTokens, Stage, StageKind, StepMember,
};

/// What [`Requests::of`] is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RequestOptions {}

/// How well the clocks of spans and device work agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockQuality {
    /// How far a time of a span may lie from the same instant on the clock of the device work;
    /// `None` when nothing bounds it.
    pub uncertainty_ns: Option<u64>,
    /// Whether spans and device work were kept apart because the uncertainty is more than half a
    /// median step.
    pub is_refused: bool,
    /// Spans that end before they start, or lie outside the span that called them by more than
    /// the uncertainty.
    pub n_impossible_spans: u64,
}

/// The requests of a capture.
#[derive(Debug, Clone, PartialEq)]
pub struct Requests {
    /// Requests, in order of start.
    pub requests: Vec<Request>,
    /// Steps, in order of start. Ranks of one engine that run the same step have one.
    pub steps: Vec<RequestStep>,
    /// How well membership is known over the capture: the worst rung that any request with steps
    /// has; [`Rung::None`] when no request is known to be in any step.
    pub rung: Rung,
    /// How well the clocks agree.
    pub clock: ClockQuality,
    /// What could not be joined, in words for a person.
    pub notes: Vec<String>,
}

//! What is wrong with a payload.

/// Why a payload cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// Bytes that break the format.
    #[error("at byte {offset}: expected {expected}")]
    Malformed {
        /// Where in the payload.
        offset: usize,
        /// What must stand there.
        expected: &'static str,
    },
    /// More of something than is ever sensible.
    #[error("at byte {offset}: {what} exceeds the limit of {limit}")]
    TooMany {
        /// Where in the payload.
        offset: usize,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A version that this reader does not know.
    #[error("version {found} of the {what} is not known, only {known}")]
    Version {
        /// Of what.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The version known.
        known: u32,
    },
    /// A delta whose base was lost or never seen.
    #[error("series {series} has lost its base: no keyframe since")]
    NoBase {
        /// The series of the delta.
        series: u32,
    },
    /// A delta that does not lead to the announced batch.
    #[error("{found} members after the delta, {announced} announced")]
    Diverged {
        /// Members that the step announced.
        announced: u32,
        /// Members after the delta.
        found: u32,
    },
}

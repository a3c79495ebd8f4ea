//! Clock anchors: what the wall clock and the monotonic clock of a machine showed at one instant.
//!
//! # The bytes
//!
//! ```json
//! {"realtime_ns": 1797565237696812859, "monotonic_ns": 2678400679597933}
//! ```
//!
//! One such object, a list of them, or one on each line. `uncertainty_ns`, where it is given, is
//! the longest time the two readings can lie apart. They put files with stamps of the monotonic
//! clock (Triton's traces) on the wall clock when both are joined.

use underspan_model::tables::ClockAnchor;
use underspan_model::{NONE_I64, NONE_U64, Timeline};

use crate::importer::timeline_of;
use crate::input::InputFile;
use crate::json::{Json, outline};
use crate::small_json::each_value;
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "clock_json";

/// Reads clock anchors.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClockImporter;

impl Importer for ClockImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "clock anchors in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let is_anchor = outline(head.head)
            .is_some_and(|outline| outline.has("realtime_ns") && outline.has("monotonic_ns"));
        if is_anchor { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let (mut timeline, source) = timeline_of(input, FORMAT);
        each_value(input, options, progress, |value, offset| {
            let reading = |key: &str| {
                value.get(key).and_then(Json::as_whole::<i64>).ok_or_else(|| {
                    let found = value.get(key).map_or("none", Json::kind);
                    ImportError::Malformed {
                        path: input.path().to_owned(),
                        offset,
                        expected: format!("a clock reading in nanoseconds at {key:?}"),
                        found: found.to_owned(),
                    }
                })
            };
            let uncertainty_ns = value.get("uncertainty_ns").and_then(Json::as_whole);
            timeline.dimensions.clock_anchors.push(ClockAnchor {
                realtime_ns: reading("realtime_ns")?,
                monotonic_ns: reading("monotonic_ns")?,
                activity_ns: NONE_I64,
                uncertainty_ns: uncertainty_ns.unwrap_or(NONE_U64),
                source: source.raw(),
                ..ClockAnchor::default()
            });
            Ok(())
        })?;
        Ok(timeline)
    }
}

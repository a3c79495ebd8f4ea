//! What was captured and how far it can be relied on.

use underspan_engine::CaptureSummary;
use underspan_model::{ClockDomain, DurationNs, NONE_U32, StringId, Timeline, Trust};

use super::counted;
use crate::document::Document;

/// Adds the head of a report: sources, size, length, trust.
pub(crate) fn capture(document: &mut Document, timeline: &Timeline, summary: &CaptureSummary) {
    document.heading(title(timeline));
    let bounds = timeline
        .tables()
        .iter()
        .filter_map(|t| t.time_bounds())
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let length =
        bounds.map_or(DurationNs::ZERO, |(first, last)| DurationNs::from_ns(first.abs_diff(last)));
    let ranks = timeline.dimensions.processes.rank.iter().filter(|r| **r != NONE_U32).count();
    let mut facts = vec![
        summary
            .format
            .split('+')
            .map(|format| format.replace('_', " "))
            .collect::<Vec<_>>()
            .join(", "),
        format!("{length} long"),
        counted(summary.event_count, "event"),
        counted(summary.devices.len() as u64, "device"),
    ];
    if ranks > 1 {
        facts.push(format!("{ranks} ranks"));
    }
    if timeline.info.clock == ClockDomain::SourceRelative && timeline.dimensions.sources.len() > 1 {
        facts.push("clocks not aligned".to_owned());
    }
    document.paragraph(facts.join(" · "));
    document.paragraph(trust(summary.trust));
}

fn title(timeline: &Timeline) -> String {
    let sources = &timeline.dimensions.sources;
    let name = |at: usize| {
        let id = sources.name.get(at).copied().unwrap_or(NONE_U32);
        timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
    };
    match sources.len() {
        0 => "Capture".to_owned(),
        1 => name(0),
        n => format!("{} and {} more", name(0), n - 1),
    }
}

fn trust(trust: Trust) -> String {
    let problems = if trust == Trust::Full { "" } else { "; see DATA PROBLEMS" };
    format!("{}{problems}.", trust_meaning(trust))
}

/// How far a capture can be relied on, without a full stop.
pub fn trust_meaning(trust: Trust) -> &'static str {
    match trust {
        Trust::Full => "Trust: full. Nothing was lost",
        Trust::Partial => "Trust: partial. Something was lost, so totals are lower bounds",
        Trust::Damaged => "Trust: damaged. The input is broken in places",
    }
}

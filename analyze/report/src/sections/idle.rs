//! Why devices were idle, and the longest gaps.

use underspan_classifier::short_name;
use underspan_engine::{Analysis, Gap, IdleClass, WorkKind};
use underspan_model::{DurationNs, ShapeId, Timeline, TimestampNs};

use super::percent;
use crate::document::{Document, ReportTable};
use crate::stats::{StatsReport, gap_meaning};

/// Adds idle time by cause and the longest gaps.
pub(crate) fn idle(document: &mut Document, timeline: &Timeline, analysis: &Analysis, top: usize) {
    let by_cause = StatsReport::Gaps.table(timeline, analysis).to_report_table();
    if by_cause.rows.is_empty() {
        return;
    }
    document.heading("IDLE TIME BY CAUSE");
    document.table(by_cause);
    let mut gaps: Vec<(String, &Gap)> = analysis
        .idle
        .iter()
        .flat_map(|device| {
            let label = timeline.dimensions.device_label(device.device);
            device.longest.iter().map(move |gap| (label.clone(), gap))
        })
        .collect();
    gaps.sort_by_key(|(_, gap)| (std::cmp::Reverse(gap.interval.duration()), gap.interval.start()));
    gaps.truncate(top.min(6));
    document.heading("LONGEST GAPS");
    let mut table = ReportTable::new(&["device<", "at", "length", "mostly<", "then<"]);
    for (device, gap) in gaps {
        table.row([
            device,
            format!("+{}", offset(timeline, gap.interval.start())),
            gap.interval.duration().to_string(),
            mostly(gap),
            next_name(timeline, gap),
        ]);
    }
    document.table(table);
}

fn mostly(gap: &Gap) -> String {
    let class = gap.class();
    let part = gap.parts[class.index()].as_ns() as f64;
    let share = part / gap.interval.duration().as_ns().max(1) as f64;
    match share > 0.995 {
        true => gap_meaning(class).to_owned(),
        false => format!("{} ({})", gap_meaning(class), percent(share)),
    }
}

fn next_name(timeline: &Timeline, gap: &Gap) -> String {
    let row = gap.next.row as usize;
    match gap.next.kind {
        WorkKind::Memcpy => "copy".to_owned(),
        WorkKind::Memset => "fill".to_owned(),
        _ => {
            let shape = timeline.kernels.shape.get(row).copied().map(ShapeId::from_raw);
            let name = shape.and_then(|id| timeline.shapes.resolve(id)).map(|shape| shape.name);
            short_name(name.map_or("", |name| timeline.strings.resolve_or_empty(name)))
        }
    }
}

/// Time since the first event of the capture.
fn offset(timeline: &Timeline, at: TimestampNs) -> DurationNs {
    let first = timeline.tables().iter().filter_map(|t| t.time_bounds()).map(|b| b.0).min();
    at.saturating_since(TimestampNs::from_ns(first.unwrap_or_default()))
}

/// The class that most idle time of all devices falls into.
pub(crate) fn main_class(analysis: &Analysis) -> Option<(IdleClass, f64)> {
    let total: u64 = analysis.idle.iter().map(|device| device.idle.as_ns()).sum();
    let of = |class: IdleClass| -> u64 {
        analysis.idle.iter().map(|device| device.of_class(class).as_ns()).sum()
    };
    let class = IdleClass::ALL.into_iter().max_by_key(|class| of(*class))?;
    (total > 0).then(|| (class, of(class) as f64 / total as f64))
}

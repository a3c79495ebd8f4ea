//! Pictures of requests as inline SVG.

use std::fmt::Write;

use underspan_engine::{PartKind, Request, StageKind};
use underspan_model::DurationNs;

use super::escape;

/// Width of a picture, of the names on its left and of the times on its right.
const WIDTH: f64 = 1100.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 80.0;
const ROW: f64 = 18.0;

/// A way to cut a request into coloured pieces.
pub(super) trait Pieces {
    /// Name, colour and length of each piece, in order.
    fn of(request: &Request) -> Vec<(String, &'static str, u64)>;
}

/// Stages, in order of time.
pub(super) struct Stages;

/// Parts by kind.
pub(super) struct Parts;

// Colours are Okabe and Ito's, which people who see colours differently tell apart.
impl Pieces for Stages {
    fn of(request: &Request) -> Vec<(String, &'static str, u64)> {
        let colour = |kind: StageKind| match kind {
            StageKind::Outside => "#999999",
            StageKind::Frontend => "#cc79a7",
            StageKind::Queue => "#e69f00",
            StageKind::Prefill => "#0072b2",
            StageKind::Decode => "#56b4e9",
            StageKind::Preempted => "#d55e00",
            StageKind::Post => "#f0e442",
            StageKind::Unexplained => "#4d4d4d",
        };
        let stages = request.stages.iter().map(|stage| {
            (stage.kind.as_str().to_owned(), colour(stage.kind), stage.interval.duration().as_ns())
        });
        stages.collect()
    }
}

impl Pieces for Parts {
    fn of(request: &Request) -> Vec<(String, &'static str, u64)> {
        let colour = |kind: PartKind| match kind {
            PartKind::Outside => "#999999",
            PartKind::Frontend | PartKind::Post => "#cc79a7",
            kind if kind.is_queue() => "#e69f00",
            PartKind::Kernel(_) => "#0072b2",
            PartKind::Interference => "#56b4e9",
            PartKind::PrecisionExcess | PartKind::ClockExcess => "#d55e00",
            PartKind::LaunchGap | PartKind::Sync => "#f0e442",
            PartKind::ExposedCopy | PartKind::CollectiveWait => "#009e73",
            _ => "#4d4d4d",
        };
        let parts = request.parts.iter().map(|part| {
            let name = match part.kind {
                PartKind::Kernel(_) => "kernels of its own steps".to_owned(),
                kind => kind.name().replace('_', " "),
            };
            (name, colour(part.kind), part.ns)
        });
        // Kernels of all roles are one piece.
        let mut merged: Vec<(String, &'static str, u64)> = Vec::new();
        for (name, colour, ns) in parts {
            match merged.iter_mut().find(|(known, _, _)| *known == name) {
                Some((_, _, sum)) => *sum += ns,
                None => merged.push((name, colour, ns)),
            }
        }
        merged
    }
}

/// Requests by time of their stages, all from their own start.
pub(super) fn waterfall(requests: &[&Request]) -> String {
    bars::<Stages>(requests, "Stages of the slowest requests")
}

/// Requests by what their time went to.
pub(super) fn decomposition(requests: &[&Request]) -> String {
    bars::<Parts>(requests, "What the slowest requests' time went to")
}

fn bars<P: Pieces>(requests: &[&Request], title: &str) -> String {
    let longest = requests.iter().map(|request| request.duration().as_ns()).max().unwrap_or(1);
    let scale = (WIDTH - LEFT - RIGHT) / longest.max(1) as f64;
    let height = ROW * requests.len() as f64 + 4.0;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(title)
    );
    for (row, request) in requests.iter().enumerate() {
        let y = ROW * row as f64 + 2.0;
        let name: String = request.request_id.chars().take(36).collect();
        write!(out, "<text x=\"0\" y=\"{:.1}\">{}</text>", y + 12.0, escape(&name)).ok();
        let mut x = LEFT;
        for (name, colour, ns) in P::of(request) {
            let width = ns as f64 * scale;
            if width >= 0.05 {
                write!(
                    out,
                    "<rect x=\"{x:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{:.1}\" \
                     fill=\"{colour}\"><title>{}: {}</title></rect>",
                    ROW - 4.0,
                    escape(&name),
                    DurationNs::from_ns(ns)
                )
                .ok();
            }
            x += width;
        }
        write!(
            out,
            "<text class=\"muted\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 6.0,
            y + 12.0,
            request.duration()
        )
        .ok();
    }
    out.push_str("</svg>");
    out
}

/// What the colours stand for: those that occur, most time first.
pub(super) fn legend<P: Pieces>(requests: &[&Request]) -> String {
    let mut names: Vec<(&'static str, Vec<String>, u64)> = Vec::new();
    for (name, colour, ns) in requests.iter().flat_map(|request| P::of(request)) {
        match names.iter_mut().find(|(known, _, _)| *known == colour) {
            Some((_, names, sum)) => {
                *sum += ns;
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            None => names.push((colour, vec![name], ns)),
        }
    }
    names.sort_by_key(|(_, _, ns)| std::cmp::Reverse(*ns));
    let entries: String = names
        .iter()
        .map(|(colour, names, _)| {
            format!(
                "<span><i style=\"background:{colour}\"></i>{}</span>",
                escape(&names.join(", "))
            )
        })
        .collect();
    format!("<p class=\"legend\">{entries}</p>\n")
}

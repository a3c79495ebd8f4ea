//! How far clocks are apart by work that must lie within a server's spans.

use super::super::engine_steps::ServingSpans;
use super::{Apart, ClockEvidence, FARTHEST_NS, FEWEST, NEAR_NS, near_offsets, offsets, search};

/// Share of the work that lies within spans on clocks that agree.
const AGREES: f64 = 0.9;
/// The true offset may hold this much less work than the best one.
const SLACK: f64 = 0.02;
/// How finely the ends of the offsets that fit are told.
const EDGE_NS: i64 = 10_000;

/// The offset of the spans' clock by which work lies within spans, when it does not as it stands.
/// `None` when it does, or never does.
pub(super) fn apart(spans: &ServingSpans, work: &[(i64, i64)]) -> Option<Apart> {
    if work.len() < FEWEST {
        return None;
    }
    // Moving spans one way is moving work the other.
    let held = |offset: i64| {
        let holds = |(start, end): &&(i64, i64)| {
            spans.hold(start.saturating_sub(offset), end.saturating_sub(offset))
        };
        work.iter().filter(holds).count() as f64 / work.len() as f64
    };
    if near_offsets().map(held).fold(0.0, f64::max) >= AGREES {
        return None;
    }
    let (found, best) = search(|offset| -held(offset));
    let best = -best;
    if best < AGREES {
        return None;
    }
    // All offsets around it that fit about as well; the true one is among them.
    let fits = |offset: i64| held(offset) >= best - SLACK;
    let edge = |step: i64| {
        let mut at = found;
        while fits(at + step) && at.abs() <= 2 * FARTHEST_NS {
            at += step;
        }
        at
    };
    let (least, most) = (edge(-EDGE_NS), edge(EDGE_NS));
    let is_elsewhere = |offset: &i64| *offset < least - NEAR_NS || *offset > most + NEAR_NS;
    let is_only = !offsets().filter(is_elsewhere).any(|offset| held(offset) >= AGREES);
    Some(Apart {
        offset_ns: least / 2 + most / 2,
        uncertainty_ns: is_only.then(|| most.abs_diff(least) / 2 + EDGE_NS.unsigned_abs()),
        evidence: ClockEvidence::Containment,
    })
}

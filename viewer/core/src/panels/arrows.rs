//! Arrows: from the launching call to the work, and between a request and the steps it was in.

use egui::{Color32, Pos2, Shape, Stroke, pos2};
use underspan_model::tables::TableKind;

use crate::analysis::RequestItem;
use crate::document::Derived;
use crate::paint::CanvasInput;
use crate::state::{EventRef, Session};

/// Most arrows between requests and steps.
const MOST_ARROWS: usize = 256;
/// How far outside of the canvas an end may lie, in points.
const REACH: f64 = 2000.0;

pub(super) fn arrows(painter: &egui::Painter, input: &CanvasInput<'_>, session: &Session) {
    launch(painter, input, session);
    match session.event {
        Some(step) if step.kind() == Some(TableKind::Step) => {
            members(painter, input, session, &step);
        }
        Some(_) => {}
        None => steps(painter, input, session),
    }
}

/// From the launching call to the work.
fn launch(painter: &egui::Painter, input: &CanvasInput<'_>, session: &Session) {
    let details = session.details.as_ref().and_then(|details| details.as_ref().ok());
    let (Some(event), Some(partner)) = (session.event, details.and_then(|of| of.partner)) else {
        return;
    };
    let (call, work) = match event.kind() {
        Some(TableKind::ApiCall) => (event, partner),
        _ => (partner, event),
    };
    let start = |event: &EventRef| {
        let table = event.kind()?;
        place(input, table, event.key, Some(event.row), event.start_ns)
    };
    if let (Some(from), Some(to)) = (start(&call), start(&work)) {
        arrow(painter, from, to, input.theme.selection, 1.5);
    }
}

/// From a step to the requests in it.
fn members(painter: &egui::Painter, input: &CanvasInput<'_>, session: &Session, step: &EventRef) {
    let Some(analyses) = &session.analyses else { return };
    let timeline = session.document.timeline();
    let middle = step.start_ns.midpoint(step.end_ns);
    let found = analyses.membership.step_of(timeline, TableKind::Step, step.key, middle);
    let members = found.map_or(&[][..], |step| &step.members);
    let Some(from) = place(input, TableKind::Step, step.key, Some(step.row), middle) else {
        return;
    };
    for member in members.iter().take(MOST_ARROWS) {
        let request = analyses.requests.get(*member as usize);
        let to = request.and_then(|request| on_span(input, request, middle));
        if let Some(to) = to {
            arrow(painter, from, to, input.theme.accent, 1.0);
        }
    }
}

/// From the selected request to the steps it was in.
fn steps(painter: &egui::Painter, input: &CanvasInput<'_>, session: &Session) {
    let Some(request) = session.request() else { return };
    let in_view = request
        .steps
        .iter()
        .filter(|step| input.view.touches(step.range.start_ns(), step.range.end_ns()));
    for step in in_view.take(MOST_ARROWS) {
        let middle = step.range.at_fraction(0.5);
        let to = place(input, TableKind::Step, step.process, None, middle);
        if let (Some(from), Some(to)) = (on_span(input, request, middle), to) {
            arrow(painter, from, to, input.theme.accent.gamma_multiply(0.7), 1.0);
        }
    }
}

/// The point of a request's bar that is nearest to a time.
fn on_span(input: &CanvasInput<'_>, request: &RequestItem, at_ns: i64) -> Option<Pos2> {
    let (service, row) = request.bar?;
    let at_ns = at_ns.clamp(request.range.start_ns(), request.range.end_ns());
    place(input, TableKind::Span, service, Some(row), at_ns)
}

/// Where an event stands at a time; on the first lane of its row when it is not drawn alone.
fn place(
    input: &CanvasInput<'_>,
    table: TableKind,
    key: u32,
    event: Option<u64>,
    at_ns: i64,
) -> Option<Pos2> {
    let of_analysis = match table {
        TableKind::Step => input.document.row_of_derived(Derived::Steps),
        _ => None,
    };
    let row = input.document.row_of(table, key).or(of_analysis)?;
    let placed = input.placed.iter().find(|of| of.row == row)?;
    let rect = input.row_rect(placed)?;
    let tile = (input.tile)(row)?;
    let is_it = |cell: &&crate::timeline::DrawCell| match event {
        Some(event) => cell.row == Some(event),
        None => cell.start_ns <= at_ns && at_ns < cell.end_ns,
    };
    let y = match tile.cells().iter().find(is_it) {
        Some(cell) => input.cell_rect(rect, cell, false).center().y,
        None => rect.top() + input.heights.lane / 2.0,
    };
    let x = input.view.fraction_of(at_ns) * f64::from(input.area.width());
    let is_near = (-REACH..f64::from(input.area.width()) + REACH).contains(&x);
    is_near.then(|| pos2(input.area.left() + x as f32, y))
}

fn arrow(painter: &egui::Painter, from: Pos2, to: Pos2, colour: Color32, width: f32) {
    painter.line_segment([from, to], Stroke::new(width, colour));
    let along = (to - from).normalized();
    let (back, wing) = (to - along * 8.0, along.rot90() * 3.5);
    let head = vec![to, back + wing, back - wing];
    painter.add(Shape::convex_polygon(head, colour, Stroke::NONE));
}

//! The whole capture in a strip: how busy the devices were, and which part is in view.

use egui::{Rect, Sense, Ui, pos2};
use underspan_model::tables::TableKind;

use crate::document::{Document, RowKind};
use crate::paint::Theme;
use crate::state::{Command, Session};
use crate::timeline::{TimeRange, query_row};

/// Columns of the strip.
const COLUMNS: u32 = 600;

/// How busy the devices were (where there are none, the hosts) over the whole capture, from zero
/// to one per column.
pub(crate) fn density(document: &Document) -> Vec<f32> {
    let has_kernels = document.tracks.iter().any(|track| track.kind == TableKind::Kernel);
    let wanted = if has_kernels { TableKind::Kernel } else { TableKind::CpuOp };
    let mut columns = vec![0.0_f32; COLUMNS as usize];
    let mut scratch = Vec::new();
    let window = window(document);
    let column_ns = window.len_ns() as f64 / f64::from(COLUMNS);
    for (at, row) in document.rows.iter().enumerate() {
        let RowKind::Events { table, .. } = row.kind else { continue };
        if table != wanted && has_kernels {
            continue;
        }
        for cell in query_row(document, at, window, COLUMNS, &mut scratch).cells() {
            let first = window.fraction_of(cell.start_ns) * f64::from(COLUMNS);
            let last = window.fraction_of(cell.end_ns) * f64::from(COLUMNS);
            let (first, last) = (first.max(0.0), last.min(f64::from(COLUMNS) - 1e-6));
            let mut column = first as usize;
            while (column as f64) <= last {
                let from = first.max(column as f64);
                let to = last.min(column as f64 + 1.0);
                if let Some(value) = columns.get_mut(column) {
                    let part = match cell.is_pixel {
                        true => f64::from(cell.busy),
                        false => (to - from).max(0.0) * f64::from(cell.busy),
                    };
                    *value = (*value + part as f32).min(1.0);
                }
                column += 1;
                if cell.is_pixel || column_ns <= 0.0 {
                    break;
                }
            }
        }
    }
    columns
}

fn window(document: &Document) -> TimeRange {
    document.bounds().padded(0.005)
}

pub(super) fn minimap_ui(
    ui: &mut Ui,
    rect: Rect,
    session: &mut Session,
    theme: Theme,
    commands: &mut Vec<Command>,
) {
    let response = ui.interact(rect, ui.scope_id().with("minimap"), Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Canvas, true, "Overview"));
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 0.0, theme.band);
    let document = session.document.clone();
    let density = session.density.get_or_insert_with(|| density(&document));
    let width = rect.width() / density.len().max(1) as f32;
    let mut mesh = egui::Mesh::default();
    for (at, busy) in density.iter().enumerate().filter(|(_, busy)| **busy > 0.0) {
        let left = rect.left() + at as f32 * width;
        let top = rect.bottom() - (rect.height() - 4.0) * busy.max(0.08);
        let bar = Rect::from_min_max(pos2(left, top), pos2(left + width, rect.bottom()));
        mesh.add_colored_rect(bar, theme.weak_text.gamma_multiply(0.6));
    }
    painter.add(mesh);
    let whole = window(&document);
    let x_of = |ns: i64| {
        rect.left() + (whole.fraction_of(ns).clamp(0.0, 1.0) * f64::from(rect.width())) as f32
    };
    let (left, right) = (x_of(session.view.start_ns()), x_of(session.view.end_ns()));
    let shade = theme.background.gamma_multiply(0.65);
    painter.rect_filled(rect.with_max_x(left), 0.0, shade);
    painter.rect_filled(rect.with_min_x(right), 0.0, shade);
    let frame =
        Rect::from_min_max(pos2(left, rect.top()), pos2(right.max(left + 2.0), rect.bottom()));
    let stroke = egui::Stroke::new(1.0, theme.accent);
    painter.rect_stroke(frame, 0.0, stroke, egui::StrokeKind::Inside);
    if (response.dragged() || response.clicked())
        && let Some(at) = response.interact_pointer_pos()
    {
        let fraction = f64::from((at.x - rect.left()) / rect.width());
        let by = session.view.fraction_of(whole.at_fraction(fraction)) - 0.5;
        commands.push(Command::Pan(by));
    }
}

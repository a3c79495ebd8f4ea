//! The column left of the canvas: what each row is, and what can be done to it.

use egui::{Align2, FontId, Rect, Sense, TextEdit, Ui, UiBuilder, pos2, vec2};

use crate::document::RowKind;
use crate::paint::{CanvasInput, ColourBy, legend};
use crate::state::{Command, Session};
use crate::timeline::{count_text, duration_text};

/// Above the timeline: the filter of rows, what colours say, and their legend.
pub(super) fn toolbar_ui(ui: &mut Ui, session: &Session, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.add_space(6.0);
        let mut filter = session.row_filter.clone();
        let field = TextEdit::singleline(&mut filter).hint_text("Filter rows").desired_width(190.0);
        let response = ui.add(field);
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Filter rows"));
        if response.changed() {
            commands.push(Command::FilterRows(filter));
        }
        egui::ComboBox::from_id_salt("colour")
            .selected_text(format!("Colour: {}", session.colour_by.title()))
            .show_ui(ui, |ui| {
                for by in ColourBy::ALL {
                    if ui.selectable_label(session.colour_by == by, by.title()).clicked() {
                        commands.push(Command::ColourBy(by));
                    }
                }
            })
            .response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Colour by"));
        let n_shapes = session.document.timeline().shapes.len();
        for (name, colour) in legend(&session.document.labels, n_shapes, session.colour_by) {
            if ui.available_width() < 90.0 {
                break;
            }
            let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
            ui.painter().rect_filled(rect, 2.0, colour);
            ui.weak(name);
        }
    });
}

pub(super) fn titles_ui(
    ui: &mut Ui,
    corner: Rect,
    area: Rect,
    input: &CanvasInput<'_>,
    session: &Session,
    commands: &mut Vec<Command>,
) {
    let theme = input.theme;
    ui.painter().rect_filled(corner, 0.0, theme.background);
    let hidden = session.hidden.len();
    if hidden > 0 {
        let mut child = ui.new_child(UiBuilder::new().max_rect(corner.shrink(6.0)));
        if child.link(format!("{hidden} hidden: show")).clicked() {
            commands.push(Command::ShowHidden);
        }
    }
    let mut ui = ui.new_child(UiBuilder::new().max_rect(area));
    ui.set_clip_rect(area);
    ui.painter().rect_filled(area, 0.0, theme.background);
    // Pinned rows last: they cover what scrolls under them.
    let (pinned, others): (Vec<_>, Vec<_>) = input.placed.iter().partition(|row| row.is_pinned);
    for placed in others.into_iter().chain(pinned) {
        let (Some(rect), Some(row)) = (input.row_rect(placed), input.document.rows.get(placed.row))
        else {
            continue;
        };
        let rect =
            Rect::from_min_max(pos2(area.left(), rect.top()), pos2(area.right(), rect.bottom()));
        let is_group = row.kind == RowKind::Group;
        let is_collapsed = session.collapsed.contains(&row.id);
        let response = ui.interact(rect, ui.scope_id().with(("row", placed.row)), Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::TreeItem, true, !is_collapsed, &row.title)
        });
        let painter = ui.painter();
        let background = match (is_group, response.hovered()) {
            (_, true) => theme.grid,
            (true, _) => theme.group,
            _ => theme.background,
        };
        painter.rect_filled(rect, 0.0, background);
        let left = area.left() + 8.0 + 12.0 * f32::from(row.level);
        let line = rect.top() + rect.height().min(20.0) / 2.0;
        let mark = match (is_group, is_collapsed, placed.is_pinned) {
            (_, _, true) => "• ",
            (_, true, _) => "▸ ",
            (true, ..) => "▾ ",
            _ => "",
        };
        let font = FontId::proportional(11.5);
        let text = format!("{mark}{}", row.title);
        let mut job = egui::text::LayoutJob::simple_singleline(text, font, theme.text);
        job.wrap.max_width = area.right() - left - 6.0;
        job.wrap.max_rows = 1;
        job.wrap.break_anywhere = true;
        let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
        ui.painter().galley(pos2(left, line - galley.size().y / 2.0), galley, theme.text);
        if let RowKind::Counter(at) = row.kind
            && let Some(series) = input.document.counters.get(at)
        {
            let highest = number_text(series.extent().1);
            let at = pos2(area.right() - 6.0, rect.bottom() - 10.0);
            ui.painter().text(
                at,
                Align2::RIGHT_CENTER,
                highest,
                FontId::proportional(10.0),
                theme.weak_text,
            );
        }
        if response.clicked() {
            commands.push(Command::ToggleCollapsed(row.id.clone()));
        }
        let response = response.on_hover_ui(|ui| {
            ui.strong(&row.title);
            let n_bars = match row.kind {
                RowKind::Derived(derived) => input.document.derived_bars(derived).len() as u64,
                _ => row.n_events,
            };
            ui.label(format!("{} events", count_text(n_bars)));
            if row.busy_ns > 0 {
                let share = row.busy_ns as f64 / input.document.bounds().len_ns() as f64;
                ui.label(format!("busy {} ({:.1} %)", duration_text(row.busy_ns), share * 100.0));
            }
        });
        response.context_menu(|ui| {
            let id = row.id.clone();
            for (text, command) in [
                ("Pin to the top", Command::TogglePinned(id.clone())),
                ("Fold", Command::ToggleCollapsed(id.clone())),
                ("Hide", Command::Hide(id.clone())),
                ("Move up", Command::MoveRow { row: id.clone(), by: -1 }),
                ("Move down", Command::MoveRow { row: id, by: 1 }),
            ] {
                if ui.button(text).clicked() {
                    commands.push(command);
                    ui.close();
                }
            }
        });
    }
    let edge = Rect::from_min_max(pos2(area.right() - 1.0, area.top()), area.right_bottom());
    ui.painter().rect_filled(edge, 0.0, theme.grid);
}

/// A value with three digits.
fn number_text(value: f64) -> String {
    let size = value.abs();
    let (scaled, unit) = match size {
        size if size >= 1e9 => (value / 1e9, " G"),
        size if size >= 1e6 => (value / 1e6, " M"),
        size if size >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    if scaled.fract() == 0.0 || scaled.abs() >= 100.0 {
        format!("{scaled:.0}{unit}")
    } else if size < 0.1 {
        format!("{scaled:.2e}")
    } else {
        format!("{scaled:.2}{unit}")
    }
}

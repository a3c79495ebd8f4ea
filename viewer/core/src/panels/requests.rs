//! The requests: how long they took, as a histogram to choose from and a list to sort.

use egui::{Rect, Sense, TextEdit, Ui, pos2, vec2};
use egui_extras::{Column, TableBuilder};

use crate::analysis::{Analyses, BARS, RequestItem, RequestSummary};
use crate::state::{Command, RequestColumn, Session};
use crate::timeline::{duration_text, moment_text};

pub(super) fn requests_ui(ui: &mut Ui, session: &mut Session, commands: &mut Vec<Command>) {
    let Some(analyses) = session.analyses.clone() else {
        ui.spinner();
        return;
    };
    if analyses.requests.is_empty() {
        ui.weak("No request is known: the capture has no request spans.");
        ui.weak("Open the spans of the same time with it (OTLP, Jaeger, SigNoz, Triton …): files are joined.");
        notes_ui(ui, &analyses.notes);
        return;
    }
    if analyses.verdict.is_none() {
        notes_ui(ui, &analyses.notes);
    }
    percentiles_ui(ui, &analyses.summary, commands);
    histogram_ui(ui, session, &analyses.summary, commands);
    ui.horizontal(|ui| {
        let mut filter = session.requests.filter.clone();
        let field =
            TextEdit::singleline(&mut filter).hint_text("Filter requests").desired_width(150.0);
        let response = ui.add(field);
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Filter requests")
        });
        if response.changed() {
            commands.push(Command::FilterRequests(filter));
        }
        ui.weak(format!("{} of {}", session.requests.order.len(), analyses.requests.len()));
        if session.requests.brush.is_some() && ui.button("All durations").clicked() {
            commands.push(Command::BrushRequests(None));
        }
    });
    table_ui(ui, session, &analyses, commands);
    session.shown_request = session.requests.selected;
}

/// What could not be analyzed or joined.
fn notes_ui(ui: &mut Ui, notes: &[String]) {
    for note in notes {
        ui.add_space(4.0);
        ui.colored_label(ui.visuals().warn_fg_color, note);
    }
}

fn percentiles_ui(ui: &mut Ui, summary: &RequestSummary, commands: &mut Vec<Command>) {
    let longest = summary.durations.longest_ns;
    ui.horizontal_wrapped(|ui| {
        for (name, length) in &summary.percentiles {
            if ui
                // Its parts stay on one line.
                .link(format!("{name} {}", duration_text(*length)).replace(' ', "\u{a0}"))
                .on_hover_text("Show only the requests that took at least so long")
                .clicked()
            {
                commands.push(Command::BrushRequests(Some((*length, longest))));
            }
        }
    });
}

fn histogram_ui(
    ui: &mut Ui,
    session: &mut Session,
    summary: &RequestSummary,
    commands: &mut Vec<Command>,
) {
    let durations = &summary.durations;
    let bars = &durations.bars;
    let size = vec2(ui.available_width(), 44.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Canvas, true, "Histogram of durations")
    });
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 2.0, ui.visuals().faint_bg_color);
    let most = bars.iter().copied().max().unwrap_or(1).max(1) as f32;
    let width = rect.width() / BARS as f32;
    let length_at =
        |x: f32| durations.at(f64::from(((x - rect.left()) / rect.width()).clamp(0.0, 1.0)));
    for (at, count) in bars.iter().enumerate().filter(|(_, count)| **count > 0) {
        let left = rect.left() + at as f32 * width;
        let height = (rect.height() - 4.0) * (*count as f32 / most).sqrt();
        let bar = Rect::from_min_max(
            pos2(left + 0.5, rect.bottom() - height),
            pos2(left + width - 0.5, rect.bottom()),
        );
        let middle = length_at(bar.center().x);
        let is_in = session.requests.brush.is_none_or(|(a, b)| (a..=b).contains(&middle));
        let colour =
            if is_in { ui.visuals().hyperlink_color } else { ui.visuals().weak_text_color() };
        painter.rect_filled(bar, 1.0, colour);
    }
    if response.drag_started() {
        let origin = ui.input(|input| input.pointer.press_origin());
        session.brush_from = origin.map(|at| at.x);
    }
    if response.dragged()
        && let (Some(from), Some(to)) = (session.brush_from, response.interact_pointer_pos())
    {
        let (a, b) = (length_at(from.min(to.x)), length_at(from.max(to.x)));
        commands.push(Command::BrushRequests(Some((a, b))));
    }
    if response.clicked() {
        commands.push(Command::BrushRequests(None));
    }
    response.on_hover_text(format!(
        "{} to {}; drag to choose",
        duration_text(durations.shortest_ns),
        duration_text(durations.longest_ns)
    ));
}

fn table_ui(ui: &mut Ui, session: &Session, analyses: &Analyses, commands: &mut Vec<Command>) {
    let (requests, summary) = (&analyses.requests, &analyses.summary);
    let list = &session.requests;
    let origin = session.document.bounds().start_ns();
    let mut columns = vec![(RequestColumn::Request, "request"), (RequestColumn::Duration, "took")];
    if summary.has_ttft {
        columns.push((RequestColumn::Ttft, "ttft"));
    }
    if summary.has_queue {
        columns.push((RequestColumn::Queue, "queue"));
    }
    if summary.has_gpu {
        columns.push((RequestColumn::Gpu, "on GPU"));
    }
    if summary.has_tpot {
        columns.push((RequestColumn::Tpot, "tpot"));
    }
    columns.push((RequestColumn::Start, "start"));
    // Looked for only when it changes: the list may be long.
    let is_new = session.shown_request != list.selected;
    let selected = list.selected.filter(|_| is_new);
    let selected = selected.and_then(|of| list.order.iter().position(|at| *at == of));
    egui::ScrollArea::horizontal().id_salt("requests").show(ui, |ui| {
        let mut table = TableBuilder::new(ui)
            .striped(true)
            .auto_shrink(false)
            .sense(Sense::click())
            .column(Column::initial(84.0).at_least(50.0).clip(true).resizable(true))
            .columns(Column::initial(56.0).clip(true), columns.len() - 1);
        if let Some(at) = selected {
            table = table.scroll_to_row(at, None);
        }
        table
            .header(18.0, |mut header| {
                for (column, title) in &columns {
                    header.col(|ui| {
                        let is_sorted = list.by == *column;
                        let arrow = match (is_sorted, list.is_descending) {
                            (false, _) => "",
                            (true, true) => " ↓",
                            (true, false) => " ↑",
                        };
                        let button = egui::Button::new(format!("{title}{arrow}")).frame(false);
                        if ui.add(button).clicked() {
                            let is_descending = !is_sorted || !list.is_descending;
                            commands.push(Command::SortRequests { by: *column, is_descending });
                        }
                    });
                }
            })
            .body(|body| {
                body.rows(18.0, list.order.len(), |mut row| {
                    let Some(at) = list.order.get(row.index()).copied() else { return };
                    let Some(request) = requests.get(at) else { return };
                    row.set_selected(list.selected == Some(at));
                    for (column, _) in &columns {
                        row.col(|ui| cell_ui(ui, request, *column, origin));
                    }
                    let response = row.response();
                    response.widget_info(|| {
                        let text = format!(
                            "Request {}, {}",
                            request.id,
                            duration_text(request.range.len_ns())
                        );
                        egui::WidgetInfo::labeled(egui::Role::Button, true, text)
                    });
                    if response.clicked() {
                        commands.push(Command::SelectRequest(at));
                    }
                });
            });
    });
}

fn cell_ui(ui: &mut Ui, request: &RequestItem, column: RequestColumn, origin: i64) {
    let length = |ns: Option<u64>| ns.map(duration_text).unwrap_or_else(|| "–".to_owned());
    let text = match column {
        RequestColumn::Request => request.id.clone(),
        RequestColumn::Start => moment_text(request.range.start_ns(), origin),
        RequestColumn::Duration => duration_text(request.range.len_ns()),
        RequestColumn::Ttft => length(request.ttft_ns),
        RequestColumn::Tpot => length(request.tpot_ns),
        RequestColumn::Queue => length(request.queue_ns),
        RequestColumn::Gpu => length(request.gpu_ns),
    };
    let text = match request.is_error && column == RequestColumn::Request {
        true => egui::RichText::new(text).color(ui.visuals().error_fg_color),
        false => egui::RichText::new(text),
    };
    ui.add(egui::Label::new(text).truncate().selectable(false));
}

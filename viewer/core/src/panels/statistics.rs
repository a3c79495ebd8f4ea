//! What ran in the selected range, by name.

use egui::Ui;
use egui_extras::{Column, TableBuilder};

use crate::state::{Command, Session};
use crate::timeline::{count_text, duration_text};

pub(super) fn statistics_ui(ui: &mut Ui, session: &Session, commands: &mut Vec<Command>) {
    let statistics = &session.statistics;
    ui.horizontal(|ui| {
        if let Some(range) = session.range {
            ui.label(format!("Range of {}", duration_text(range.len_ns())));
        } else {
            ui.weak("Drag with Shift to select a range, or");
        }
        if ui.button("Use the view").clicked() {
            commands.push(Command::SelectRange(session.view));
        }
        if statistics.pending.is_some() {
            ui.spinner();
        }
        if let Some(result) = &statistics.result {
            ui.weak(format!("{} events", count_text(result.n_events)));
            if ui.button("Save …").clicked() {
                commands.push(Command::ExportSelection(None));
            }
        }
    });
    if let Some(error) = &statistics.error {
        ui.colored_label(ui.visuals().error_fg_color, error);
    }
    let Some(result) = &statistics.result else { return };
    ui.push_id("statistics", |ui| {
        TableBuilder::new(ui)
            .striped(true)
            .auto_shrink(false)
            .column(Column::initial(90.0))
            .column(Column::remainder().clip(true))
            .columns(Column::initial(76.0), 5)
            .header(18.0, |mut header| {
                for title in ["kind", "name", "count", "total", "mean", "max", "of range"] {
                    header.col(|ui| {
                        ui.weak(title);
                    });
                }
            })
            .body(|body| {
                body.rows(18.0, result.names.len(), |mut row| {
                    let Some(of) = result.names.get(row.index()) else { return };
                    row.col(|ui| {
                        ui.weak(of.table.name().replace('_', " "));
                    });
                    row.col(|ui| {
                        let label =
                            egui::Label::new(&of.text).truncate().sense(egui::Sense::click());
                        if ui.add(label).clicked() {
                            commands.push(Command::SearchExactly(of.text.clone()));
                        }
                    });
                    let mean = of.total_ns.checked_div(of.count).unwrap_or(0);
                    let share = of.total_ns as f64 / result.range.len_ns() as f64 * 100.0;
                    for text in [
                        count_text(of.count),
                        duration_text(of.total_ns),
                        duration_text(mean),
                        duration_text(of.max_ns),
                        format!("{share:.1} %"),
                    ] {
                        row.col(|ui| {
                            ui.label(text);
                        });
                    }
                });
            });
    });
}

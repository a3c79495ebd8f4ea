//! The open capture beside an earlier one: what changed.

use egui::Ui;
use egui_extras::{Column, TableBuilder};
use underspan_engine::{CaptureDiff, GroupChange, KernelGroup};
use underspan_model::DurationNs;

use super::step_pair::step_pairs_ui;
use crate::state::{Command, Session};
use crate::timeline::{count_text, duration_text};

pub(super) fn compare_ui(ui: &mut Ui, session: &Session, commands: &mut Vec<Command>) {
    let Some(comparison) = &session.comparison else {
        ui.weak("Compare with another capture of the same work: kernels are matched by what they do, also where an upgrade renamed them.");
        if ui.button("Choose the capture to compare with …").clicked() {
            commands.push(Command::AskForComparison);
        }
        return;
    };
    let before = &comparison.before;
    ui.horizontal_wrapped(|ui| {
        ui.strong(format!("{} → {}", before.name(), session.document.name()));
        let Ok(diff) = &comparison.diff else { return };
        let [old, new] = diff.kernel_time;
        ui.label(format!(
            "kernel time {} → {}",
            duration_text(old.as_ns()),
            duration_text(new.as_ns())
        ));
        if let Some(ratio) = diff.kernel_time_ratio() {
            ui.strong(format!("{:+.1} % per unit of work", (ratio - 1.0) * 100.0));
        }
        let n_precision = diff.precision_changes().count();
        if n_precision > 0 {
            let text = match n_precision {
                1 => "one multiply changed its precision".to_owned(),
                n => format!("{n} multiplies changed their precision"),
            };
            ui.colored_label(ui.visuals().warn_fg_color, text);
        }
    });
    step_pairs_ui(ui, &comparison.step_pairs, session.step_pair, commands);
    match &comparison.diff {
        Ok(diff) => table_ui(ui, diff, commands),
        Err(why) => {
            ui.weak(format!("They cannot be compared kernel by kernel. {why}"));
        }
    }
}

fn table_ui(ui: &mut Ui, diff: &CaptureDiff, commands: &mut Vec<Command>) {
    let n_rows = diff.matched.len() + diff.appeared.len();
    ui.push_id("compare", |ui| {
        TableBuilder::new(ui)
            .striped(true)
            .auto_shrink(false)
            .column(Column::initial(100.0).clip(true))
            .column(Column::remainder().clip(true))
            .columns(Column::initial(86.0).clip(true), 5)
            .header(18.0, |mut header| {
                for title in ["role", "kernel", "before", "after", "change", "count", "precision"] {
                    header.col(|ui| {
                        ui.weak(title);
                    });
                }
            })
            .body(|body| {
                body.rows(18.0, n_rows, |mut row| {
                    let at = row.index();
                    let (change, group) = match diff.matched.get(at) {
                        Some(change) => (Some(change), &change.after),
                        None => match diff.appeared.get(at - diff.matched.len()) {
                            Some(group) => (None, group),
                            None => return,
                        },
                    };
                    row.col(|ui| {
                        ui.weak(group.class.role.value.as_str());
                    });
                    row.col(|ui| {
                        let text = &group.name;
                        let label = egui::Label::new(text).truncate().sense(egui::Sense::click());
                        if ui.add(label).on_hover_text("Find it in the timeline").clicked() {
                            commands.push(Command::SearchExactly(text.clone()));
                        }
                    });
                    for text in numbers(change, group) {
                        row.col(|ui| {
                            ui.label(text);
                        });
                    }
                });
            });
    });
}

fn numbers(change: Option<&GroupChange>, after: &KernelGroup) -> [String; 5] {
    let length = |of: DurationNs| duration_text(of.as_ns());
    match change {
        Some(change) => {
            let (before, after) = (&change.before, &change.after);
            let percent = match before.total.as_ns() {
                0 => String::new(),
                old => format!("{:+.1} %", (after.total.as_ns() as f64 / old as f64 - 1.0) * 100.0),
            };
            let precision = match change.precision_changed() {
                true => format!("{} → {}", before.dtype().as_str(), after.dtype().as_str()),
                false => after.dtype().as_str().to_owned(),
            };
            [
                length(before.total),
                length(after.total),
                percent,
                format!("{} → {}", count_text(before.count), count_text(after.count)),
                precision,
            ]
        }
        None => [
            "–".to_owned(),
            length(after.total),
            "new".to_owned(),
            count_text(after.count),
            after.dtype().as_str().to_owned(),
        ],
    }
}

//! What the data cannot be trusted with.

use egui::{Grid, ScrollArea, Ui};

use crate::state::Session;
use crate::timeline::count_text;

pub(super) fn problems_ui(ui: &mut Ui, session: &Session) {
    let document = &session.document;
    let timeline = document.timeline();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.label(format!("Trust: {}", timeline.problems.trust().as_str()));
            ui.weak(format!("clock: {}", timeline.info.clock.as_str()));
            if let Some(rung) = session.analyses.as_ref().and_then(|of| of.rung) {
                ui.weak(format!("requests in steps: {rung}"));
            }
        });
        if !document.is_in_memory() {
            ui.weak("The capture is too large to be analyzed as a whole: it stays in its file, and requests are shown as their spans tell.");
        }
        let notes = session.analyses.as_ref().map_or(&[][..], |of| &of.notes);
        for note in notes {
            ui.label(note);
        }
        ui.separator();
        if timeline.problems.is_empty() {
            ui.weak("Nothing was lost, repaired or doubted while reading.");
            return;
        }
        Grid::new("problems").num_columns(4).striped(true).show(ui, |ui| {
            for title in ["problem", "count", "what it means", "first seen"] {
                ui.weak(title);
            }
            ui.end_row();
            for problem in timeline.problems.iter() {
                ui.label(format!("{} ({})", problem.kind.name(), problem.kind.severity().as_str()));
                ui.label(count_text(problem.count));
                ui.label(problem.kind.meaning());
                let example: String = problem.example.chars().take(80).collect();
                ui.weak(format!("{}: {example}", problem.source));
                ui.end_row();
            }
        });
    });
}

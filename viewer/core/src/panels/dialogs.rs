//! What comes on top: progress, errors, help.

use egui::{Align2, Modal, ProgressBar, RichText, Ui, Window};

use super::keys::{bindings, key_text};
use crate::state::{Command, Viewer};

pub(super) fn dialogs_ui(ui: &mut Ui, viewer: &mut Viewer, commands: &mut Vec<Command>) {
    if let Some(opening) = &viewer.opening {
        Modal::new(egui::Id::unique("opening")).show(ui.ctx(), |ui| {
            ui.set_width(420.0);
            ui.heading("Opening");
            for path in opening.paths.iter().take(4) {
                ui.label(path.display().to_string());
            }
            ui.add_space(8.0);
            match opening.progress.fraction() {
                Some(fraction) => ui.add(ProgressBar::new(fraction).show_percentage()),
                None => ui.spinner(),
            };
            ui.add_space(8.0);
            if ui.button("Cancel").clicked() {
                commands.push(Command::CancelOpening);
            }
        });
        // The bar moves while nothing else happens.
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
    }
    if let Some(trouble) = &viewer.trouble {
        let mut is_done = false;
        let response = Modal::new(egui::Id::unique("trouble")).show(ui.ctx(), |ui| {
            ui.set_width(520.0);
            ui.heading(&trouble.title);
            ui.add_space(6.0);
            ui.label(&trouble.what);
            ui.add_space(6.0);
            ui.weak(&trouble.advice);
            ui.add_space(10.0);
            ui.horizontal(|ui| {
                is_done = ui.button("Close").clicked();
                if ui.button("Open another …").clicked() {
                    is_done = true;
                    commands.push(Command::AskForFiles);
                }
            });
        });
        if is_done || response.should_close() {
            viewer.trouble = None;
        }
    }
    let mut is_open = viewer.is_help_open;
    Window::new("Keys").open(&mut is_open).default_width(460.0).show(ui.ctx(), help_ui);
    viewer.is_help_open = is_open;
}

fn help_ui(ui: &mut Ui) {
    egui::ScrollArea::vertical().max_height(520.0).show(ui, |ui| {
        egui::Grid::new("keys").num_columns(2).striped(true).show(ui, |ui| {
            for (keys, words) in [
                ("drag", "Move"),
                ("Shift drag", "Select a range: its statistics follow"),
                ("wheel", "Scroll the rows"),
                ("Ctrl wheel", "Zoom at the pointer"),
                ("Shift wheel", "Move"),
                ("click", "Select; the longest event where many share a bar"),
                ("double click", "Zoom to the event"),
            ] {
                ui.label(RichText::new(keys).monospace());
                ui.label(words);
                ui.end_row();
            }
            for binding in bindings() {
                if let Some((modifiers, key)) = binding.key {
                    ui.label(RichText::new(key_text(modifiers, key)).monospace());
                    ui.label(binding.words);
                    ui.end_row();
                }
            }
        });
    });
}

/// How long frames take, in the corner.
pub(super) fn overlay_ui(ui: &mut Ui, viewer: &Viewer) {
    let mut frames: Vec<f32> = viewer.frames.iter().copied().collect();
    frames.sort_by(f32::total_cmp);
    let at = |share: f64| {
        frames
            .get(((frames.len() as f64 * share) as usize).min(frames.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0.0)
    };
    let drawn = viewer.session.as_ref().map(|session| session.drawn_stats()).unwrap_or_default();
    egui::Area::new(egui::Id::unique("frames")).anchor(Align2::RIGHT_TOP, [-12.0, 36.0]).show(
        ui.ctx(),
        |ui| {
            egui::Frame::popup(ui.style()).show(ui, |ui| {
                ui.monospace(format!(
                    "frame p50 {:.1} ms · p95 {:.1} ms\n{} bars · {} names",
                    at(0.5) * 1e3,
                    at(0.95) * 1e3,
                    drawn.n_quads,
                    drawn.n_names
                ));
            });
        },
    );
}

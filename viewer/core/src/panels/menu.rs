//! The menu bar with the search field, and the status line.

use egui::{MenuBar, TextEdit, Ui};

use super::keys::{bindings, key_text};
use crate::paint::ColourBy;
use crate::state::{Command, Panel, Viewer};
use crate::timeline::{count_text, duration_text, moment_text};

pub(super) fn menu_ui(ui: &mut Ui, viewer: &mut Viewer, commands: &mut Vec<Command>) {
    MenuBar::new().ui(ui, |ui| {
        let entry = |ui: &mut Ui, text: &str, command: Command, commands: &mut Vec<Command>| {
            let bound = bindings().into_iter().find(|of| of.command == command);
            let key = bound.and_then(|of| of.key).map(|(m, k)| key_text(m, k)).unwrap_or_default();
            if ui.add(egui::Button::new(text).shortcut_text(key)).clicked() {
                commands.push(command);
                ui.close();
            }
        };
        ui.menu_button("File", |ui| {
            entry(ui, "Open …", Command::AskForFiles, commands);
            entry(ui, "Compare with …", Command::AskForComparison, commands);
            entry(ui, "Save picture …", Command::ExportImage(None), commands);
            entry(ui, "Save selection …", Command::ExportSelection(None), commands);
            entry(ui, "Copy link", Command::CopyLink, commands);
            entry(ui, "Close", Command::Close, commands);
        });
        ui.menu_button("View", |ui| {
            entry(ui, "Whole capture", Command::ShowAll, commands);
            entry(ui, "Zoom to selection", Command::ZoomToSelection, commands);
            entry(ui, "Show hidden rows", Command::ShowHidden, commands);
            ui.separator();
            for panel in Panel::ALL {
                entry(ui, panel.title(), Command::ShowPanel(panel), commands);
            }
            entry(ui, "Put panels back", Command::ResetPanels, commands);
            ui.separator();
            let (text, is_dark) = if viewer.is_dark { ("Light", false) } else { ("Dark", true) };
            entry(ui, text, Command::SetDark(is_dark), commands);
            entry(ui, "Larger", Command::SetScale(viewer.scale * 1.25), commands);
            entry(ui, "Smaller", Command::SetScale(viewer.scale / 1.25), commands);
            entry(ui, "Frame times", Command::ToggleOverlay, commands);
        });
        ui.menu_button("Colour", |ui| {
            for by in ColourBy::ALL {
                entry(ui, by.title(), Command::ColourBy(by), commands);
            }
        });
        ui.menu_button("Help", |ui| {
            entry(ui, "Keys", Command::ToggleHelp, commands);
            entry(ui, "Command palette", Command::TogglePalette, commands);
        });
        search_ui(ui, viewer, commands);
    });
}

fn search_ui(ui: &mut Ui, viewer: &mut Viewer, commands: &mut Vec<Command>) {
    let Some(session) = &viewer.session else { return };
    ui.separator();
    let mut text = session.search.text.clone();
    let field = TextEdit::singleline(&mut text)
        .hint_text("Search names (regex)  /")
        .desired_width(240.0)
        .align(egui::Align2::LEFT_CENTER);
    let response = ui.add(field);
    let name = egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Search names");
    response.widget_info(|| name.clone());
    if std::mem::take(&mut viewer.is_search_focused) {
        response.request_focus();
    }
    if response.changed() {
        commands.push(Command::Search(text));
    }
    if response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter)) {
        commands.push(Command::NextOccurrence);
    }
    let search = &session.search;
    if let Some(error) = &search.error {
        let first = error.lines().last().unwrap_or("no regular expression");
        ui.colored_label(ui.visuals().warn_fg_color, first);
    } else if !search.text.is_empty() {
        let n_names: usize =
            search.matches.iter().map(|of| of.names.iter().filter(|is| **is).count()).sum();
        ui.weak(format!("{} names", count_text(n_names as u64)));
        if ui.button("Previous").clicked() {
            commands.push(Command::PreviousOccurrence);
        }
        if ui.button("Next").clicked() {
            commands.push(Command::NextOccurrence);
        }
    }
}

pub(super) fn status_ui(ui: &mut Ui, viewer: &Viewer) {
    ui.horizontal(|ui| {
        let Some(session) = &viewer.session else {
            ui.weak(if viewer.status.is_empty() { "No capture is open" } else { &viewer.status });
            return;
        };
        let document = &session.document;
        ui.strong(document.name());
        ui.weak(format!("{} events", count_text(document.n_events())));
        ui.separator();
        let origin = document.bounds().start_ns();
        ui.label(format!(
            "{} + {}",
            moment_text(session.view.start_ns(), origin),
            duration_text(session.view.len_ns())
        ));
        ui.separator();
        let (shown, left_out) = session.shown;
        ui.weak(format!("{} events in view", count_text(shown)));
        if left_out > 0 {
            ui.colored_label(
                ui.visuals().warn_fg_color,
                format!("{} more overlap and have no lane left", count_text(left_out)),
            );
        }
        let trust = document.timeline().problems.trust();
        if !document.timeline().problems.is_empty() {
            ui.separator();
            ui.label(format!("data: {}", trust.as_str())).on_hover_text("See the Data panel");
        }
        if session.analyses.is_none() || session.finding.is_some() {
            ui.spinner();
            ui.weak(if session.finding.is_some() { "looking …" } else { "analyzing …" });
        }
        if !viewer.status.is_empty() {
            ui.separator();
            ui.label(&viewer.status);
        }
    });
}

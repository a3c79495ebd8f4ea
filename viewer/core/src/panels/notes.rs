//! Bookmarks.

use egui::{ScrollArea, TextEdit, Ui};

use crate::state::{Command, Session};
use crate::timeline::{TimeRange, moment_text};

pub(super) fn notes_ui(ui: &mut Ui, session: &mut Session, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        let field = TextEdit::singleline(&mut session.note_text)
            .hint_text("What to remember about the selection, or the middle of the view")
            .desired_width(360.0);
        let response = ui.add(field);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Note"));
        let is_done =
            response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if ui.button("Add").clicked() || is_done {
            let text = std::mem::take(&mut session.note_text);
            commands.push(Command::AddNote { at_ns: None, text });
        }
    });
    ui.separator();
    if session.notes.is_empty() {
        ui.weak("No bookmarks yet. M puts one; they are kept in a file beside the capture.");
        return;
    }
    let origin = session.document.bounds().start_ns();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        for (at, note) in session.notes.iter().enumerate() {
            ui.horizontal(|ui| {
                if ui.link(moment_text(note.at_ns, origin)).clicked() {
                    let half = (session.view.len_ns() / 2).min(i64::MAX as u64);
                    commands.push(Command::Show(TimeRange::from_ns(
                        note.at_ns.saturating_sub_unsigned(half),
                        note.at_ns.saturating_add_unsigned(half),
                    )));
                }
                ui.label(if note.text.is_empty() { "(no words)" } else { &note.text });
                if ui.small_button("Remove").clicked() {
                    commands.push(Command::RemoveNote(at));
                }
            });
        }
    });
}

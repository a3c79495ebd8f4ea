//! The command palette: everything there is to do, found by a few letters.

use egui::{Key, Modal, TextEdit, Ui};

use super::keys::{Binding, bindings, key_text};
use crate::state::{Command, Viewer};

/// Commands shown at once.
const MAX_SHOWN: usize = 14;

pub(super) fn palette_ui(ui: &mut Ui, viewer: &mut Viewer, commands: &mut Vec<Command>) {
    let Some(text) = &mut viewer.palette else { return };
    let mut chosen = None;
    let response = Modal::new(egui::Id::unique("palette")).show(ui.ctx(), |ui| {
        ui.set_width(460.0);
        let field = TextEdit::singleline(text).hint_text("What to do").desired_width(f32::INFINITY);
        let response = ui.add(field);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Command"));
        response.request_focus();
        let found = found(text);
        if ui.input(|input| input.key_pressed(Key::Enter)) {
            chosen = found.first().map(|binding| binding.command.clone());
        }
        ui.add_space(4.0);
        for (at, binding) in found.iter().take(MAX_SHOWN).enumerate() {
            let key = binding.key.map(|(m, k)| key_text(m, k)).unwrap_or_default();
            let button = egui::Button::new(binding.words)
                .shortcut_text(key)
                .selected(at == 0)
                .min_size(egui::vec2(ui.available_width(), 0.0));
            if ui.add(button).clicked() {
                chosen = Some(binding.command.clone());
            }
        }
        if found.is_empty() {
            ui.weak("Nothing is called that");
        }
    });
    if chosen.is_some() || response.should_close() {
        viewer.palette = None;
    }
    commands.extend(chosen);
}

/// The commands whose words hold the letters in order, the closest first; each once.
fn found(text: &str) -> Vec<Binding> {
    let mut all: Vec<(usize, Binding)> = Vec::new();
    for binding in bindings() {
        if all.iter().any(|(_, known)| known.command == binding.command) {
            continue;
        }
        if let Some(spread) = spread(binding.words, text) {
            all.push((spread, binding));
        }
    }
    all.sort_by_key(|(spread, _)| *spread);
    all.into_iter().map(|(_, binding)| binding).collect()
}

/// How far apart the letters of `text` lie in `words`; `None` when they are not all there.
fn spread(words: &str, text: &str) -> Option<usize> {
    let words: Vec<char> = words.to_lowercase().chars().collect();
    let mut wanted =
        text.chars().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).peekable();
    let mut spread = 0;
    let mut last: Option<usize> = None;
    for (at, c) in words.iter().enumerate() {
        if wanted.peek() != Some(c) {
            continue;
        }
        wanted.next();
        let is_start = at == 0 || words.get(at - 1) == Some(&' ');
        spread += match last {
            Some(last) if last + 1 == at => 0,
            _ if is_start => 1,
            Some(last) => at - last,
            None => at + 1,
        };
        last = Some(at);
    }
    wanted.peek().is_none().then_some(spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_letters_find_the_command() {
        let first = |text| found(text).first().map(|binding| binding.command.clone());
        assert_eq!(first("slowest"), Some(Command::SelectSlowest));
        assert_eq!(first("cplink"), Some(Command::CopyLink));
        assert_eq!(first("whole"), Some(Command::ShowAll));
        assert!(found("xyzzy").is_empty());
        assert!(found("").len() > 30);
    }
}

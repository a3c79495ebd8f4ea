//! What keys do. One table serves the keyboard, the help window and the palette.

use egui::{Key, Modifiers, Ui};

use crate::paint::ColourBy;
use crate::state::{Command, Panel};

/// A command with the words for it and its key.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) words: &'static str,
    pub(crate) key: Option<(Modifiers, Key)>,
    pub(crate) command: Command,
}

const NONE: Modifiers = Modifiers::NONE;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL: Modifiers = Modifiers::COMMAND;

/// Everything that can be chosen from the palette or has a key.
pub(crate) fn bindings() -> Vec<Binding> {
    let mut all = Vec::new();
    let mut bind = |words, key: Option<(Modifiers, Key)>, command| {
        all.push(Binding { words, key, command });
    };
    let key = |modifiers, key| Some((modifiers, key));
    let zoom = |factor| Command::Zoom { factor, anchor_ns: None };
    bind("Zoom in", key(NONE, Key::W), zoom(0.7));
    bind("Zoom out", key(NONE, Key::S), zoom(1.0 / 0.7));
    bind("Move left", key(NONE, Key::A), Command::Pan(-0.15));
    bind("Move right", key(NONE, Key::D), Command::Pan(0.15));
    bind("Move left", key(NONE, Key::ArrowLeft), Command::Pan(-0.15));
    bind("Move right", key(NONE, Key::ArrowRight), Command::Pan(0.15));
    bind("Scroll up", key(NONE, Key::ArrowUp), Command::Scroll(-60.0));
    bind("Scroll down", key(NONE, Key::ArrowDown), Command::Scroll(60.0));
    bind("Zoom to selection", key(NONE, Key::F), Command::ZoomToSelection);
    bind("Show the whole capture", key(NONE, Key::Num0), Command::ShowAll);
    bind("Back to the view before", key(Modifiers::ALT, Key::ArrowLeft), Command::Back);
    bind("Back to the view before", key(CTRL, Key::Z), Command::Back);
    bind("Forward again", key(Modifiers::ALT, Key::ArrowRight), Command::Forward);
    bind("Forward again", key(CTRL, Key::Y), Command::Forward);
    bind("Next event of the row", key(NONE, Key::Period), Command::NextInRow);
    bind("Previous event of the row", key(NONE, Key::Comma), Command::PreviousInRow);
    bind(
        "Next occurrence of the name or search",
        key(NONE, Key::CloseBracket),
        Command::NextOccurrence,
    );
    bind(
        "Previous occurrence of the name or search",
        key(NONE, Key::OpenBracket),
        Command::PreviousOccurrence,
    );
    bind("Go to the launch, or to what was launched", key(NONE, Key::L), Command::FollowLaunch);
    bind("Next request of the list", key(NONE, Key::J), Command::NextRequest);
    bind("Previous request of the list", key(NONE, Key::K), Command::PreviousRequest);
    bind("Select the slowest request", key(NONE, Key::R), Command::SelectSlowest);
    bind("Go to the evidence of the first finding", key(NONE, Key::E), Command::ShowFinding(0));
    bind("Go to the evidence of the second finding", key(SHIFT, Key::E), Command::ShowFinding(1));
    bind(
        "Go to the evidence of the verdict's first cause",
        key(NONE, Key::C),
        Command::ShowCause(0),
    );
    bind(
        "Put a bookmark",
        key(NONE, Key::M),
        Command::AddNote { at_ns: None, text: String::new() },
    );
    bind("Go to the next bookmark", key(NONE, Key::N), Command::NextNote);
    bind("Search names", key(NONE, Key::Slash), Command::FocusSearch);
    bind("Command palette", key(CTRL, Key::K), Command::TogglePalette);
    bind("Keys and help", key(SHIFT, Key::Slash), Command::ToggleHelp);
    bind("Keys and help", key(NONE, Key::Questionmark), Command::ToggleHelp);
    bind("Close, then clear search, range, selection", key(NONE, Key::Escape), Command::Escape);
    bind("Open files", key(CTRL, Key::O), Command::AskForFiles);
    bind("Compare with another capture", None, Command::AskForComparison);
    bind("Close the capture", key(CTRL, Key::W), Command::Close);
    bind("Copy a link to this view", key(CTRL, Key::L), Command::CopyLink);
    bind("Save the view as a picture", key(CTRL, Key::S), Command::ExportImage(None));
    bind("Save the selection's statistics", key(CTRL, Key::E), Command::ExportSelection(None));
    bind("Clear the selection", None, Command::ClearSelection);
    bind("Show every hidden row", None, Command::ShowHidden);
    bind("Colour by role", key(NONE, Key::Num1), Command::ColourBy(ColourBy::Role));
    bind("Colour by precision", key(NONE, Key::Num2), Command::ColourBy(ColourBy::Dtype));
    bind("Colour by name", key(NONE, Key::Num3), Command::ColourBy(ColourBy::Name));
    bind("Colour by stream", key(NONE, Key::Num4), Command::ColourBy(ColourBy::Track));
    bind("Dark colours", None, Command::SetDark(true));
    bind("Light colours", None, Command::SetDark(false));
    bind("Normal size", None, Command::SetScale(1.0));
    bind("Larger: one and a half", None, Command::SetScale(1.5));
    bind("Larger: double", None, Command::SetScale(2.0));
    bind("Show how long frames take", None, Command::ToggleOverlay);
    bind("Put all panels back", None, Command::ResetPanels);
    for (panel, words) in [
        (Panel::Requests, "Panel: requests"),
        (Panel::Verdict, "Panel: why the request was slow"),
        (Panel::Details, "Panel: details of the selected event"),
        (Panel::Statistics, "Panel: statistics of the selected range"),
        (Panel::Problems, "Panel: problems of the data"),
        (Panel::Notes, "Panel: bookmarks"),
        (Panel::Compare, "Panel: compare two captures"),
    ] {
        bind(words, None, Command::ShowPanel(panel));
    }
    all
}

/// The commands of the keys pressed since the last frame. None while a text is being typed, but
/// for Escape and those with Ctrl.
pub(crate) fn pressed(ui: &Ui) -> Vec<Command> {
    let is_typing = ui.ctx().egui_wants_keyboard_input();
    let mut commands = Vec::new();
    // Those with more modifiers first: a key is taken once.
    let mut all = bindings();
    all.sort_by_key(|binding| {
        binding.key.map(|(m, _)| {
            std::cmp::Reverse(usize::from(m.shift) + usize::from(m.alt) + usize::from(m.command))
        })
    });
    ui.input_mut(|input| {
        for binding in all {
            let Some((modifiers, key)) = binding.key else { continue };
            let is_allowed = !is_typing || modifiers.command || key == Key::Escape;
            while is_allowed && input.consume_key(modifiers, key) {
                commands.push(binding.command.clone());
            }
        }
    });
    commands
}

/// A key as it is written on it.
pub(crate) fn key_text(modifiers: Modifiers, key: Key) -> String {
    let mut text = String::new();
    for (is_held, name) in
        [(modifiers.command, "Ctrl "), (modifiers.alt, "Alt "), (modifiers.shift, "Shift ")]
    {
        if is_held {
            text.push_str(name);
        }
    }
    // Arrows and the like are no letters of the fonts.
    let symbol = key.symbol_or_name();
    text.push_str(if symbol.is_ascii() { symbol } else { key.name() });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things() {
        let mut keys = std::collections::HashSet::new();
        for binding in bindings() {
            if let Some((modifiers, key)) = binding.key {
                assert!(keys.insert((modifiers, key)), "{}", binding.words);
            }
        }
    }
}

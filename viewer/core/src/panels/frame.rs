//! One frame: what is around the panels, and what is on top of them.

use std::time::Instant;

use egui::{CentralPanel, Panel, Ui};

use super::timeline::TimelineContext;
use super::{dialogs, keys, menu, palette, welcome};
use crate::paint::{Theme, use_fonts};
use crate::state::{Command, Viewer};

/// Frames whose length is remembered.
const MAX_FRAMES: usize = 240;

impl Viewer {
    /// Draws everything and does what the user asks for. Call it once a frame.
    pub fn ui(&mut self, ui: &mut Ui) {
        if !std::mem::replace(&mut self.has_fonts, true) {
            // They are there from the next frame on.
            use_fonts(ui.ctx());
            use_colours(ui.ctx());
            ui.ctx().request_repaint();
            return;
        }
        let began = Instant::now();
        self.receive();
        self.use_style(ui);
        let mut commands = keys::pressed(ui);
        let dropped: Vec<_> = ui.input(|input| {
            input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect()
        });
        if !dropped.is_empty() {
            commands.push(Command::Open(dropped));
        }
        let mut wanted = None;
        Panel::top("menu").show(ui, |ui| menu::menu_ui(ui, self, &mut commands));
        Panel::bottom("status").show(ui, |ui| menu::status_ui(ui, self));
        let is_dark = self.is_dark;
        let fill = egui::Frame::new().fill(Theme::of(is_dark).background);
        CentralPanel::no_frame().frame(fill).show(ui, |ui| {
            let Self { layout, session, galleys, .. } = self;
            match session {
                Some(session) => {
                    let theme = Theme::of(is_dark);
                    let mut context = TimelineContext { galleys, theme, wanted: None };
                    layout.ui(ui, session, &mut context, &mut commands);
                    wanted = context.wanted;
                }
                None => welcome::welcome_ui(ui, self, &mut commands),
            }
        });
        dialogs::dialogs_ui(ui, self, &mut commands);
        palette::palette_ui(ui, self, &mut commands);
        if let Some((rows, n_pixels)) = wanted {
            self.ask_for_tiles(rows, n_pixels);
        }
        let is_changed = !commands.is_empty();
        for command in commands {
            self.apply(command);
        }
        // What was answered at once, and what commands changed, is drawn with another frame.
        if self.receive() || is_changed {
            ui.ctx().request_repaint();
        }
        self.note_frame(began.elapsed().as_secs_f32());
        if self.has_overlay {
            dialogs::overlay_ui(ui, self);
        }
    }

    fn note_frame(&mut self, seconds: f32) {
        if self.frames.len() >= MAX_FRAMES {
            self.frames.pop_front();
        }
        self.frames.push_back(seconds);
    }

    fn use_style(&mut self, ui: &Ui) {
        let context = ui.ctx();
        let theme = if self.is_dark { egui::Theme::Dark } else { egui::Theme::Light };
        if context.theme() != theme {
            context.set_theme(theme);
        }
        if (context.zoom_factor() - self.scale).abs() > 1e-3 {
            context.set_zoom_factor(self.scale);
        }
    }
}

/// Has egui's widgets use the colours of the canvas.
fn use_colours(context: &egui::Context) {
    for (of, is_dark) in [(egui::Theme::Dark, true), (egui::Theme::Light, false)] {
        let theme = Theme::of(is_dark);
        context.style_mut_of(of, |style| {
            let visuals = &mut style.visuals;
            visuals.weak_text_color = Some(theme.weak_text);
            visuals.panel_fill = theme.background;
            visuals.window_fill = theme.band;
            visuals.extreme_bg_color = theme.group;
            visuals.faint_bg_color = theme.band;
            visuals.hyperlink_color = theme.accent;
            visuals.warn_fg_color = theme.error;
            visuals.error_fg_color = theme.error;
            visuals.widgets.noninteractive.fg_stroke.color = theme.text;
            visuals.widgets.noninteractive.bg_stroke.color = theme.grid;
        });
    }
}

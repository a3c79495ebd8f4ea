//! What the canvas is drawn onto: a mesh for the screen, or an SVG file.

use egui::{Color32, Pos2, Rect};
use underspan_model::tables::TableKind;

/// Takes shapes in the order in which they cover each other.
pub(crate) trait Sink {
    /// A filled rectangle.
    fn rect(&mut self, rect: Rect, colour: Color32);

    /// The name of an event: its first letters, as many as fit `width`.
    fn event_name(
        &mut self,
        left_centre: Pos2,
        width: f32,
        colour: Color32,
        event: (TableKind, u32),
        text: &mut dyn FnMut() -> String,
    );

    /// A text: its first letters, as many as fit `width`.
    fn text(&mut self, left_centre: Pos2, width: f32, colour: Color32, text: &str);
}

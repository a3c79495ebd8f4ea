//! The canvas as an SVG file.

use std::fmt::Write as _;

use egui::{Color32, Pos2, Rect};
use underspan_model::tables::TableKind;

use super::Sink;

/// Width of a letter, as part of the font's size: what a sans-serif font needs on average.
const LETTER: f32 = 0.56;

/// Writes shapes as SVG elements.
pub(crate) struct SvgSink {
    text: String,
    font_size: f32,
}

impl SvgSink {
    pub(crate) fn new(width: f32, height: f32, font_size: f32) -> Self {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"{font_size}\" \
             shape-rendering=\"crispEdges\">"
        );
        Self { text, font_size }
    }

    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    fn letters(&mut self, at: Pos2, colour: Color32, text: &str) {
        let y = at.y + self.font_size * 0.35;
        let _ = write!(self.text, "<text x=\"{:.1}\" y=\"{y:.1}\" {}>", at.x, fill(colour));
        for c in text.chars() {
            match c {
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '&' => self.text.push_str("&amp;"),
                // XML 1.0 allows no other control characters.
                c if c.is_control() => self.text.push(' '),
                c => self.text.push(c),
            }
        }
        self.text.push_str("</text>\n");
    }
}

fn fill(colour: Color32) -> String {
    let [r, g, b, a] = colour.to_srgba_unmultiplied();
    match a {
        255 => format!("fill=\"#{r:02x}{g:02x}{b:02x}\""),
        a => {
            format!("fill=\"#{r:02x}{g:02x}{b:02x}\" fill-opacity=\"{:.3}\"", f32::from(a) / 255.0)
        }
    }
}

impl Sink for SvgSink {
    fn rect(&mut self, rect: Rect, colour: Color32) {
        let _ = writeln!(
            self.text,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" {}/>",
            rect.left(),
            rect.top(),
            rect.width(),
            rect.height(),
            fill(colour)
        );
    }

    fn event_name(
        &mut self,
        left_centre: Pos2,
        width: f32,
        colour: Color32,
        _event: (TableKind, u32),
        text: &mut dyn FnMut() -> String,
    ) {
        self.text(left_centre, width, colour, &text());
    }

    fn text(&mut self, left_centre: Pos2, width: f32, colour: Color32, text: &str) {
        let n_letters = (width / (self.font_size * LETTER)) as usize;
        let shown: String = text.chars().take(n_letters).collect();
        self.letters(left_centre, colour, &shown);
    }
}

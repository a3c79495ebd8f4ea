//! The canvas as one mesh of bars and letters: one draw call, whatever the number of events.

use std::collections::HashMap;
use std::sync::Arc;

use egui::epaint::{Mesh, Vertex, WHITE_UV};
use egui::{Color32, Context, FontId, Galley, Pos2, Rect, Vec2, pos2};
use underspan_model::tables::TableKind;

use super::Sink;

/// Names laid out before; forgotten when there are too many.
const MAX_GALLEYS: usize = 20_000;

/// Laid-out names of events.
#[derive(Debug, Default)]
pub(crate) struct GalleyCache {
    galleys: HashMap<(u16, u32), Arc<Galley>>,
    pixels_per_point: f32,
    fill_ratio: f32,
}

/// Collects shapes in a mesh with the font's texture, whose first texel is white.
pub(crate) struct MeshSink<'a> {
    context: &'a Context,
    galleys: &'a mut GalleyCache,
    mesh: Mesh,
    font: FontId,
    uv_scale: Vec2,
}

impl GalleyCache {
    /// Forgets everything when the font's texture was made anew.
    fn settle(&mut self, context: &Context) {
        let pixels_per_point = context.pixels_per_point();
        let fill_ratio = context.fonts(|fonts| fonts.font_atlas_fill_ratio());
        let is_other = pixels_per_point != self.pixels_per_point || fill_ratio < self.fill_ratio;
        if is_other || self.galleys.len() > MAX_GALLEYS {
            self.galleys.clear();
        }
        (self.pixels_per_point, self.fill_ratio) = (pixels_per_point, fill_ratio);
    }
}

impl<'a> MeshSink<'a> {
    pub(crate) fn new(context: &'a Context, galleys: &'a mut GalleyCache, font: FontId) -> Self {
        galleys.settle(context);
        Self { context, galleys, mesh: Mesh::default(), font, uv_scale: Vec2::ZERO }
    }

    /// The mesh, with letters placed on the font's texture as large as it is now.
    pub(crate) fn finish(mut self) -> Mesh {
        let [width, height] = font_texture_size(self.context);
        self.uv_scale = Vec2::new(1.0 / width as f32, 1.0 / height as f32);
        for vertex in &mut self.mesh.vertices {
            vertex.uv = (vertex.uv.to_vec2() * self.uv_scale).to_pos2();
        }
        self.mesh
    }

    fn galley(&mut self, galley: &Galley, at: Pos2, right: f32, colour: Color32) {
        let pixels_per_point = self.context.pixels_per_point();
        let snap = |value: f32| (value * pixels_per_point).round() / pixels_per_point;
        let at = pos2(snap(at.x), snap(at.y));
        for row in &galley.rows {
            let offset = at.to_vec2() + row.pos.to_vec2();
            let mesh = &row.visuals.mesh;
            // Letters are quads of four vertices.
            for letter in mesh.vertices.chunks_exact(4) {
                if letter.iter().any(|vertex| vertex.pos.x + offset.x > right) {
                    return;
                }
                self.quad(letter.iter().map(|vertex| Vertex {
                    pos: vertex.pos + offset,
                    uv: vertex.uv,
                    color: colour,
                }));
            }
        }
    }

    /// Four vertices: top left, top right, bottom left, bottom right.
    fn quad(&mut self, vertices: impl Iterator<Item = Vertex>) {
        let first = self.mesh.vertices.len() as u32;
        self.mesh.vertices.extend(vertices);
        let indices = [first, first + 1, first + 2, first + 2, first + 1, first + 3];
        self.mesh.indices.extend_from_slice(&indices);
    }
}

/// Width and height of the font's texture in texels.
pub(crate) fn font_texture_size(context: &Context) -> [usize; 2] {
    context.fonts(|fonts| fonts.font_image_size())
}

impl Sink for MeshSink<'_> {
    fn rect(&mut self, rect: Rect, colour: Color32) {
        let corners = [rect.left_top(), rect.right_top(), rect.left_bottom(), rect.right_bottom()];
        self.quad(corners.into_iter().map(|pos| Vertex { pos, uv: WHITE_UV, color: colour }));
    }

    fn event_name(
        &mut self,
        left_centre: Pos2,
        width: f32,
        colour: Color32,
        event: (TableKind, u32),
        text: &mut dyn FnMut() -> String,
    ) {
        let key = (event.0.code(), event.1);
        let galley = match self.galleys.galleys.get(&key) {
            Some(galley) => galley.clone(),
            None => {
                let font = self.font.clone();
                let galley = self
                    .context
                    .fonts_mut(|fonts| fonts.layout_no_wrap(text(), font, Color32::WHITE));
                self.galleys.galleys.insert(key, galley.clone());
                galley
            }
        };
        let top = left_centre.y - galley.size().y / 2.0;
        self.galley(&galley, pos2(left_centre.x, top), left_centre.x + width, colour);
    }

    fn text(&mut self, left_centre: Pos2, width: f32, colour: Color32, text: &str) {
        let font = self.font.clone();
        let galley = self
            .context
            .fonts_mut(|fonts| fonts.layout_no_wrap(text.to_owned(), font, Color32::WHITE));
        let top = left_centre.y - galley.size().y / 2.0;
        self.galley(&galley, pos2(left_centre.x, top), left_centre.x + width, colour);
    }
}

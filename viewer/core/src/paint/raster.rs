//! egui's triangles to pixels, without a GPU, a display or a driver: for `render` and for tests.

use std::collections::HashMap;
use std::io::Write;

use egui::epaint::{ClippedPrimitive, ImageData, ImageDelta, Mesh, Primitive, Vertex};
use egui::{Color32, Rect, TextureId, TexturesDelta};

/// Pixels in rows from the top, eight bits each of red, green and blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Three bytes a pixel.
    pub rgb: Vec<u8>,
}

impl Image {
    /// Writes the image as a PNG file.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn write_png(&self, to: impl Write) -> std::io::Result<()> {
        let mut encoder = png::Encoder::new(to, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()?;
        Ok(())
    }

    /// Pixels that differ from those of `other` by more than `tolerance` in any channel; all when
    /// the sizes differ.
    pub fn n_different(&self, other: &Self, tolerance: u8) -> usize {
        if (self.width, self.height) != (other.width, other.height) {
            return self.width * self.height;
        }
        let is_off =
            |(a, b): (&[u8], &[u8])| a.iter().zip(b).any(|(a, b)| a.abs_diff(*b) > tolerance);
        self.rgb.chunks(3).zip(other.rgb.chunks(3)).filter(|pair| is_off(*pair)).count()
    }
}

/// A texture as egui hands it out.
#[derive(Debug, Clone, Default)]
struct Texture {
    width: usize,
    height: usize,
    pixels: Vec<Color32>,
}

/// Draws what egui tessellated. Keeps egui's textures between frames.
#[derive(Debug, Default)]
pub struct Rasteriser {
    textures: HashMap<TextureId, Texture>,
}

impl Rasteriser {
    /// One without textures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over what changed of egui's textures.
    pub fn update_textures(&mut self, delta: &TexturesDelta) {
        for (id, changes) in &delta.set {
            for change in changes {
                self.update(*id, change);
            }
        }
        for id in &delta.free {
            self.textures.remove(id);
        }
    }

    fn update(&mut self, id: TextureId, change: &ImageDelta) {
        let ImageData::Color(image) = &change.image;
        let [width, height] = image.size;
        let Some([left, top]) = change.pos else {
            self.textures.insert(id, Texture { width, height, pixels: image.pixels.clone() });
            return;
        };
        let Some(texture) = self.textures.get_mut(&id) else { return };
        let n_columns = width.min(texture.width.saturating_sub(left));
        for row in 0..height.min(texture.height.saturating_sub(top)) {
            let (to, from) = ((top + row) * texture.width + left, row * width);
            texture.pixels[to..to + n_columns]
                .copy_from_slice(&image.pixels[from..from + n_columns]);
        }
    }

    /// Draws on `background`. Callbacks into a GPU are left out: the viewer has none.
    pub fn draw(
        &self,
        primitives: &[ClippedPrimitive],
        size: [usize; 2],
        pixels_per_point: f32,
        background: Color32,
    ) -> Image {
        let [width, height] = size;
        let mut target = Target { width, height, pixels: vec![background; width * height] };
        for primitive in primitives {
            let Primitive::Mesh(mesh) = &primitive.primitive else { continue };
            let texture = self.textures.get(&mesh.texture_id);
            target.mesh(mesh, texture, primitive.clip_rect, pixels_per_point);
        }
        let rgb =
            target.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
        Image { width, height, rgb }
    }
}

struct Target {
    width: usize,
    height: usize,
    pixels: Vec<Color32>,
}

/// A half-open rectangle of pixels.
#[derive(Clone, Copy)]
struct Clip {
    left: i64,
    top: i64,
    right: i64,
    bottom: i64,
}

impl Target {
    fn mesh(&mut self, mesh: &Mesh, texture: Option<&Texture>, clip: Rect, scale: f32) {
        let edge = |value: f32, end: usize| ((value * scale).round() as i64).clamp(0, end as i64);
        let clip = Clip {
            left: edge(clip.left(), self.width),
            top: edge(clip.top(), self.height),
            right: edge(clip.right(), self.width),
            bottom: edge(clip.bottom(), self.height),
        };
        let vertex = |index: &u32| {
            let mut vertex = *mesh.vertices.get(*index as usize)?;
            vertex.pos = (vertex.pos.to_vec2() * scale).to_pos2();
            Some(vertex)
        };
        let mut at = 0;
        while let Some(indices) = mesh.indices.get(at..at + 3) {
            at += 3;
            let [Some(a), Some(b), Some(c)] = [0, 1, 2].map(|i| vertex(&indices[i])) else {
                continue;
            };
            // Two triangles that make an upright rectangle of one colour are by far the most.
            if let Some([i, j, k]) = mesh.indices.get(at..at + 3)
                && *i == indices[2]
                && *j == indices[1]
                && let Some(d) = vertex(k)
                && is_plain_rect(&a, &b, &c, &d)
            {
                self.fill(&a, &d, clip);
                at += 3;
                continue;
            }
            self.triangle([a, b, c], texture, clip);
        }
    }

    /// Fills the pixels whose centres lie in the rectangle from `a` to `d`.
    fn fill(&mut self, a: &Vertex, d: &Vertex, clip: Clip) {
        let first = |value: f32| (value - 0.5).ceil() as i64;
        let left = first(a.pos.x).max(clip.left);
        let right = first(d.pos.x).min(clip.right);
        let top = first(a.pos.y).max(clip.top);
        let bottom = first(d.pos.y).min(clip.bottom);
        if left >= right {
            return;
        }
        for y in top..bottom {
            let row = y as usize * self.width;
            let pixels = &mut self.pixels[row + left as usize..row + right as usize];
            if a.color.is_opaque() {
                pixels.fill(a.color);
            } else {
                pixels.iter_mut().for_each(|pixel| *pixel = over(a.color, *pixel));
            }
        }
    }

    fn triangle(&mut self, mut corners: [Vertex; 3], texture: Option<&Texture>, clip: Clip) {
        let area = cross(&corners[0], &corners[1], &corners[2]);
        if area == 0.0 || !area.is_finite() {
            return;
        }
        if area < 0.0 {
            corners.swap(1, 2);
        }
        let area = area.abs();
        let [a, b, c] = &corners;
        let low = |f: fn(&Vertex) -> f32| f(a).min(f(b)).min(f(c));
        let high = |f: fn(&Vertex) -> f32| f(a).max(f(b)).max(f(c));
        let left = (low(|v| v.pos.x).floor() as i64).max(clip.left);
        let right = (high(|v| v.pos.x).ceil() as i64 + 1).min(clip.right);
        let top = (low(|v| v.pos.y).floor() as i64).max(clip.top);
        let bottom = (high(|v| v.pos.y).ceil() as i64 + 1).min(clip.bottom);
        let edges = [Edge::new(b, c), Edge::new(c, a), Edge::new(a, b)];
        for y in top..bottom {
            for x in left..right {
                let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
                let weights = edges.each_ref().map(|edge| edge.at(px, py));
                let is_inside = edges
                    .iter()
                    .zip(weights)
                    .all(|(edge, w)| w > 0.0 || w == 0.0 && edge.is_top_left);
                if !is_inside {
                    continue;
                }
                let [wa, wb, wc] = weights.map(|weight| weight / area);
                let mix = |f: fn(&Vertex) -> f32| wa * f(a) + wb * f(b) + wc * f(c);
                let mut colour = if a.color == b.color && b.color == c.color {
                    a.color
                } else {
                    let channel = |f: fn(&Vertex) -> f32| mix(f).round().clamp(0.0, 255.0) as u8;
                    Color32::from_rgba_premultiplied(
                        channel(|v| f32::from(v.color.r())),
                        channel(|v| f32::from(v.color.g())),
                        channel(|v| f32::from(v.color.b())),
                        channel(|v| f32::from(v.color.a())),
                    )
                };
                if let Some(texture) = texture {
                    colour = multiply(colour, texture.texel(mix(|v| v.uv.x), mix(|v| v.uv.y)));
                }
                let pixel = &mut self.pixels[y as usize * self.width + x as usize];
                *pixel = over(colour, *pixel);
            }
        }
    }
}

/// One side of a triangle: positive on the inside.
struct Edge {
    x: f32,
    y: f32,
    dx: f32,
    dy: f32,
    /// Pixels whose centre lies exactly on such a side belong to the triangle.
    is_top_left: bool,
}

impl Edge {
    fn new(from: &Vertex, to: &Vertex) -> Self {
        let (dx, dy) = (to.pos.x - from.pos.x, to.pos.y - from.pos.y);
        let is_top_left = dy < 0.0 || dy == 0.0 && dx > 0.0;
        Self { x: from.pos.x, y: from.pos.y, dx, dy, is_top_left }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        self.dx * (y - self.y) - self.dy * (x - self.x)
    }
}

impl Texture {
    /// The nearest texel.
    fn texel(&self, u: f32, v: f32) -> Color32 {
        let x = ((u * self.width as f32) as usize).min(self.width.saturating_sub(1));
        let y = ((v * self.height as f32) as usize).min(self.height.saturating_sub(1));
        self.pixels.get(y * self.width + x).copied().unwrap_or(Color32::WHITE)
    }
}

fn cross(a: &Vertex, b: &Vertex, c: &Vertex) -> f32 {
    (b.pos.x - a.pos.x) * (c.pos.y - a.pos.y) - (b.pos.y - a.pos.y) * (c.pos.x - a.pos.x)
}

fn is_plain_rect(a: &Vertex, b: &Vertex, c: &Vertex, d: &Vertex) -> bool {
    let is_plain = a.color == b.color && b.color == c.color && c.color == d.color;
    let is_white = a.uv == b.uv && b.uv == c.uv && c.uv == d.uv && a.uv == egui::epaint::WHITE_UV;
    let is_upright = a.pos.y == b.pos.y
        && c.pos.y == d.pos.y
        && a.pos.x == c.pos.x
        && b.pos.x == d.pos.x
        && a.pos.x <= b.pos.x
        && a.pos.y <= c.pos.y;
    is_plain && is_white && is_upright
}

fn multiply(a: Color32, b: Color32) -> Color32 {
    let channel = |a: u8, b: u8| ((u16::from(a) * u16::from(b) + 127) / 255) as u8;
    Color32::from_rgba_premultiplied(
        channel(a.r(), b.r()),
        channel(a.g(), b.g()),
        channel(a.b(), b.b()),
        channel(a.a(), b.a()),
    )
}

/// `top` on `bottom`, both premultiplied, as egui blends: in gamma space.
fn over(top: Color32, bottom: Color32) -> Color32 {
    if top.is_opaque() {
        return top;
    }
    let rest = u16::from(255 - top.a());
    let channel = |t: u8, b: u8| {
        u16::from(t).saturating_add((u16::from(b) * rest + 127) / 255).min(255) as u8
    };
    Color32::from_rgba_premultiplied(
        channel(top.r(), bottom.r()),
        channel(top.g(), bottom.g()),
        channel(top.b(), bottom.b()),
        channel(top.a(), bottom.a()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    fn mesh(corners: &[(f32, f32)], indices: &[u32], colour: Color32) -> Vec<ClippedPrimitive> {
        let mut mesh = Mesh::default();
        mesh.vertices.extend(corners.iter().map(|(x, y)| Vertex::untextured(pos2(*x, *y), colour)));
        mesh.indices.extend_from_slice(indices);
        let clip_rect = Rect::from_min_max(pos2(0.0, 0.0), pos2(8.0, 8.0));
        vec![ClippedPrimitive { clip_rect, primitive: Primitive::Mesh(mesh) }]
    }

    fn coverage(primitives: &[ClippedPrimitive]) -> Vec<u8> {
        let image = Rasteriser::new().draw(primitives, [8, 8], 1.0, Color32::BLACK);
        image.rgb.chunks(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn two_triangles_cover_each_pixel_of_their_square_once() {
        // Half-transparent, so that a pixel drawn twice would be brighter.
        let half = Color32::from_rgba_premultiplied(100, 100, 100, 100);
        let corners = [(1.0, 1.0), (7.0, 1.0), (1.0, 7.0), (7.0, 7.0)];
        // Not in the order that is drawn as a rectangle.
        let split = coverage(&mesh(&corners, &[0, 1, 3, 0, 3, 2], half));
        let whole = coverage(&mesh(&corners, &[0, 1, 2, 2, 1, 3], half));
        assert_eq!(split, whole);
        assert_eq!(split.iter().filter(|value| **value == 100).count(), 36);
        assert_eq!(split.iter().filter(|value| **value == 0).count(), 28);
    }

    #[test]
    fn nothing_is_drawn_outside_the_clip_or_the_image() {
        let mut wild = mesh(
            &[(-1e9, -1e9), (1e9, -1e9), (-1e9, 1e9), (1e9, 1e9)],
            &[0, 1, 2, 2, 1, 3],
            Color32::WHITE,
        );
        wild[0].clip_rect = Rect::from_min_max(pos2(2.0, 2.0), pos2(100.0, 4.0));
        let covered = coverage(&wild);
        assert_eq!(covered.iter().filter(|value| **value == 255).count(), 12);
        assert!(
            coverage(&mesh(
                &[(f32::NAN, 0.0), (1.0, 0.0), (0.0, 1.0)],
                &[0, 1, 2, 9],
                Color32::WHITE
            ))
            .iter()
            .all(|value| *value == 0)
        );
    }
}

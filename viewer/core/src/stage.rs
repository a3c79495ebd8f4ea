//! The viewer without a window: frames are drawn to pixels in memory.

use egui::epaint::ClippedPrimitive;
use egui::{Color32, Context, Event, RawInput, Rect, pos2, vec2};

use crate::paint::{Image, Rasteriser};
use crate::state::Viewer;

/// Frames after which a viewer that is not busy has settled: menus and panels take two to find
/// their sizes.
const SETTLING_FRAMES: usize = 4;
/// Frames after which it is drawn as it is.
const MAX_FRAMES: usize = 200;

/// A place to run a [`Viewer`] without a window, a display or a driver.
#[derive(Debug)]
pub struct Stage {
    context: Context,
    rasteriser: Rasteriser,
    size: [f32; 2],
    scale: f32,
    time: f64,
    primitives: Vec<ClippedPrimitive>,
}

impl Stage {
    /// A stage of so many points, with `scale` pixels per point.
    pub fn new(size: [f32; 2], scale: f32) -> Self {
        let context = Context::default();
        // Nothing fades in: a picture shows what is there.
        context.all_styles_mut(|style| style.animation_time = 0.0);
        Self {
            context,
            rasteriser: Rasteriser::new(),
            size,
            scale,
            time: 0.0,
            primitives: Vec::new(),
        }
    }

    /// Draws one frame, with these events from the user before it.
    pub fn frame(&mut self, viewer: &mut Viewer, events: Vec<Event>) {
        let [width, height] = self.size;
        self.time += 1.0 / 60.0;
        let mut input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(width, height))),
            time: Some(self.time),
            events,
            focused: true,
            ..RawInput::default()
        };
        let viewport = input.viewports.entry(input.viewport_id).or_default();
        viewport.native_pixels_per_point = Some(self.scale);
        let mut output = self.context.run_ui(input, |ui| viewer.ui(ui));
        self.rasteriser.update_textures(&output.textures_delta);
        output.textures_delta.clear();
        self.primitives = self.context.tessellate(output.shapes, output.pixels_per_point);
    }

    /// Draws frames until nothing is opened, computed or moved any more.
    pub fn settle(&mut self, viewer: &mut Viewer) {
        let mut n_quiet = 0;
        for _ in 0..MAX_FRAMES {
            self.frame(viewer, Vec::new());
            n_quiet = if viewer.is_busy() { 0 } else { n_quiet + 1 };
            if n_quiet >= SETTLING_FRAMES {
                return;
            }
            if viewer.is_busy() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }

    /// The last frame in pixels.
    pub fn image(&self) -> Image {
        let [width, height] = self.size;
        let pixels = |points: f32| (points * self.scale).round().max(1.0) as usize;
        let scale = self.context.pixels_per_point();
        let background = self.context.global_style().visuals.panel_fill;
        let background = if background.is_opaque() { background } else { Color32::BLACK };
        self.rasteriser.draw(&self.primitives, [pixels(width), pixels(height)], scale, background)
    }
}

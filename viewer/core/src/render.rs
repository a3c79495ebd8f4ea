//! A picture of a capture, drawn without a window, a display or a driver.

use std::collections::HashSet;

use egui::epaint::{ClippedPrimitive, Primitive};
use egui::{Context, FontId, RawInput, Rect, pos2, vec2};
use rayon::prelude::*;

use crate::analysis::Analyses;
use crate::document::{Document, RowKind};
use crate::paint::{
    CanvasInput, ColourBy, GalleyCache, Highlight, Image, MeshSink, Rasteriser, Sink, SvgSink,
    Theme, legend, paint_axis, paint_rows, use_fonts,
};
use crate::timeline::{
    PlacedRow, RowChoices, RowHeights, RowTile, TimeRange, count_text, duration_text,
    missing_chunks, moment_text, place, query_row,
};

/// What a picture shows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RenderOptions {
    /// Part of the time; the whole capture when `None`.
    pub range: Option<TimeRange>,
    /// Times to keep bright; everything is when empty.
    pub highlight: Vec<TimeRange>,
    /// Width in points.
    pub width: f32,
    /// Height in points; as high as the rows need, up to 4000, when `None`.
    pub height: Option<f32>,
    /// Pixels per point.
    pub scale: f32,
    /// Dark colours.
    pub is_dark: bool,
    /// What the colour of a bar says.
    pub colour_by: ColourBy,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            range: None,
            highlight: Vec::new(),
            width: 1600.0,
            height: None,
            scale: 1.0,
            is_dark: false,
            colour_by: ColourBy::Role,
        }
    }
}

/// A picture in pixels.
pub fn render_image(document: &Document, options: &RenderOptions) -> Image {
    let picture = Picture::of(document, options);
    let scale = if options.scale.is_finite() { options.scale.clamp(0.25, 8.0) } else { 1.0 };
    let context = Context::default();
    use_fonts(&context);
    let mut input = RawInput::default();
    let size = vec2(picture.width, picture.height);
    let screen = Rect::from_min_size(pos2(0.0, 0.0), size);
    input.screen_rect = Some(screen);
    input.viewports.entry(input.viewport_id).or_default().native_pixels_per_point = Some(scale);
    let mut mesh = None;
    let mut galleys = GalleyCache::default();
    let mut output = context.run_ui(input, |ui| {
        let mut sink = MeshSink::new(ui.ctx(), &mut galleys, FontId::proportional(11.0));
        picture.paint(&mut sink);
        mesh = Some(sink.finish());
    });
    let mut rasteriser = Rasteriser::new();
    rasteriser.update_textures(&output.textures_delta);
    output.textures_delta.clear();
    let primitives: Vec<ClippedPrimitive> = mesh
        .map(|mesh| ClippedPrimitive { clip_rect: screen, primitive: Primitive::Mesh(mesh) })
        .into_iter()
        .collect();
    let pixels = [(size.x * scale).round() as usize, (size.y * scale).round() as usize];
    rasteriser.draw(&primitives, pixels, scale, picture.theme.background)
}

/// The same picture as SVG text.
pub fn render_svg(document: &Document, options: &RenderOptions) -> String {
    let picture = Picture::of(document, options);
    let mut sink = SvgSink::new(picture.width, picture.height, 11.0);
    let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(picture.width, picture.height));
    sink.rect(screen, picture.theme.background);
    picture.paint(&mut sink);
    sink.finish()
}

/// The tiles of rows, with every chunk loaded that full detail needs. A chunk that is damaged
/// stays coarse, and so does what does not fit in memory together.
pub(crate) fn complete_tiles(
    document: &Document,
    rows: &[usize],
    window: TimeRange,
    n_pixels: u32,
) -> Vec<RowTile> {
    let query = |rows: &[usize]| -> Vec<RowTile> {
        let rows = rows.par_iter();
        let one =
            |scratch: &mut _, row: &usize| query_row(document, *row, window, n_pixels, scratch);
        rows.map_init(Vec::new, one).collect()
    };
    let mut tiles = query(rows);
    let mut tried = HashSet::new();
    loop {
        let mut missing = missing_chunks(&tiles);
        missing.retain(|chunk| tried.insert(*chunk));
        if missing.is_empty() {
            return tiles;
        }
        missing.par_iter().for_each(|chunk| {
            let _ = document.events.load(*chunk);
        });
        let coarse: Vec<usize> =
            tiles.iter().filter(|tile| !tile.missing.is_empty()).map(|tile| tile.row).collect();
        let mut finer = query(&coarse).into_iter();
        for tile in tiles.iter_mut().filter(|tile| !tile.missing.is_empty()) {
            if let Some(fine) = finer.next() {
                *tile = fine;
            }
        }
    }
}

const HEADER: f32 = 24.0;
const AXIS: f32 = 22.0;
const FOOTER: f32 = 22.0;
const TITLES: f32 = 230.0;

struct Picture<'a> {
    document: &'a Document,
    view: TimeRange,
    width: f32,
    height: f32,
    theme: Theme,
    colour_by: ColourBy,
    /// Whose the events are, when the colours say so.
    analyses: Option<Analyses>,
    highlight: Highlight,
    placed: Vec<PlacedRow>,
    tiles: Vec<RowTile>,
    pixel: f32,
}

impl<'a> Picture<'a> {
    fn of(document: &'a Document, options: &RenderOptions) -> Self {
        let view = options.range.unwrap_or_else(|| document.bounds().padded(0.005));
        let finite = |value: f32, or: f32| if value.is_finite() { value } else { or };
        let width = finite(options.width, 1600.0).clamp(400.0, 16_000.0);
        let scale = finite(options.scale, 1.0).clamp(0.25, 8.0);
        let rows: Vec<usize> = (0..document.rows.len()).collect();
        let n_pixels = ((width - TITLES) * scale) as u32;
        let tiles = complete_tiles(document, &rows, view, n_pixels);
        // Rows without an event in the range would only push the others out of the picture.
        let is_empty = |at: usize| tiles.get(at).is_none_or(|tile| tile.n_events() == 0);
        let placed = place(
            &document.rows,
            &rows,
            &RowChoices::default(),
            &[],
            RowHeights::default(),
            |row| match row.kind {
                RowKind::Events { .. } | RowKind::Derived(_) => {
                    let at = document.rows.iter().position(|of| of.id == row.id);
                    !at.is_none_or(is_empty)
                }
                _ => true,
            },
            |row| tiles.get(row).map_or(1, |tile| tile.n_lanes().min(24)),
        );
        let needed = placed.last().map_or(0.0, |row| row.top + row.height);
        let needed = (needed + HEADER + AXIS + FOOTER).clamp(120.0, 4000.0);
        let height =
            options.height.map_or(needed, |height| finite(height, needed)).clamp(80.0, 16_000.0);
        Self {
            document,
            view,
            width,
            height,
            theme: Theme::of(options.is_dark),
            colour_by: options.colour_by,
            analyses: (options.colour_by == ColourBy::Request).then(|| Analyses::at_once(document)),
            highlight: Highlight { spans: options.highlight.clone(), ..Highlight::default() },
            placed,
            tiles,
            pixel: 1.0 / scale,
        }
    }

    fn paint(&self, sink: &mut impl Sink) {
        let theme = self.theme;
        let top = HEADER + AXIS;
        let bottom = self.height - FOOTER;
        let area = Rect::from_min_max(pos2(TITLES, top), pos2(self.width, bottom));
        let input = CanvasInput {
            document: self.document,
            view: self.view,
            area,
            scroll: 0.0,
            placed: &self.placed,
            pinned_height: 0.0,
            tile: &|row| self.tiles.get(row),
            is_collapsed: &|_| false,
            colour_by: self.colour_by,
            membership: self.analyses.as_ref().map(|analyses| &analyses.membership),
            highlight: &self.highlight,
            theme,
            heights: RowHeights::default(),
            selected: None,
            pixel: self.pixel,
        };
        let axis = Rect::from_min_max(pos2(TITLES, HEADER), pos2(self.width, top));
        paint_axis(axis, bottom, self.view, self.document.bounds().start_ns(), theme, sink);
        let stats = paint_rows(&input, sink);
        for placed in &self.placed {
            let (Some(row), Some(rect)) =
                (self.document.rows.get(placed.row), input.row_rect(placed))
            else {
                continue;
            };
            let line = rect.top() + placed.height.min(20.0) / 2.0;
            if line + 6.0 > bottom {
                continue;
            }
            if row.kind == RowKind::Group {
                sink.rect(
                    Rect::from_min_max(pos2(0.0, rect.top()), pos2(TITLES, rect.bottom())),
                    theme.group,
                );
            }
            let left = 8.0 + 12.0 * f32::from(row.level);
            sink.text(pos2(left, line), TITLES - left - 6.0, theme.text, &row.title);
        }
        self.paint_frame(stats.n_events, stats.n_left_out, sink);
    }

    fn paint_frame(&self, n_events: u64, n_left_out: u64, sink: &mut impl Sink) {
        let theme = self.theme;
        sink.rect(Rect::from_min_max(pos2(0.0, 0.0), pos2(self.width, HEADER)), theme.group);
        let origin = self.document.bounds().start_ns();
        let left_out = match n_left_out {
            0 => String::new(),
            n => format!(" · {} more overlap", count_text(n)),
        };
        let title = format!(
            "{}   {} + {}   {} events{left_out}",
            self.document.name(),
            moment_text(self.view.start_ns(), origin),
            duration_text(self.view.len_ns()),
            count_text(n_events),
        );
        sink.text(pos2(8.0, HEADER / 2.0), self.width - 16.0, theme.text, &title);
        let y = self.height - FOOTER / 2.0;
        let mut x = 8.0;
        let n_shapes = self.document.timeline().shapes.len();
        for (name, colour) in legend(&self.document.labels, n_shapes, self.colour_by) {
            sink.rect(Rect::from_min_size(pos2(x, y - 5.0), vec2(10.0, 10.0)), colour);
            sink.text(pos2(x + 15.0, y), 220.0, theme.weak_text, name);
            x += 15.0 + 7.0 * name.len() as f32 + 16.0;
        }
    }
}

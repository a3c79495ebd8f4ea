//! Drawing: colours, the canvas of rows, and what it is drawn onto.

mod canvas;
mod colour;
mod fonts;
mod mesh_sink;
mod raster;
mod sink;
mod svg_sink;

pub(crate) use canvas::{CanvasInput, CanvasStats, Highlight, paint_axis, paint_rows};
pub use colour::ColourBy;
pub(crate) use colour::{Theme, legend, role_colour, tone_colour};
pub(crate) use fonts::use_fonts;
pub(crate) use mesh_sink::{GalleyCache, MeshSink, font_texture_size};
pub use raster::{Image, Rasteriser};
pub(crate) use sink::Sink;
pub(crate) use svg_sink::SvgSink;

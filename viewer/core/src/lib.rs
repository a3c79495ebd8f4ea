//! Everything of the viewer but its window.
mod analysis;
mod document;
mod paint;
mod panels;
mod query;
mod render;
mod stage;
mod state;
mod timeline;
pub use document::{Document, OpenError, OpenProgress, open};
pub use paint::{ColourBy, Image, Rasteriser};
pub use query::{NameStatistics, RangeStatistics};
pub use render::{RenderOptions, render_image, render_svg};
pub use stage::Stage;
pub use state::{Command, Effect, EventRef, Link, Note, Panel, RequestColumn, Settings, Viewer};
pub use timeline::{Tick, TimeRange, bytes_text, count_text, duration_text, moment_text, ticks};

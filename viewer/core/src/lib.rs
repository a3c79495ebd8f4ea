//! Everything of the viewer but its window: what is open, what can be done to it, and how it is
//! drawn. egui alone, no GPU, no display, no driver.
//!
//! - [`open`] makes a [`Document`] of files; it never changes afterwards.
//! - [`Viewer`] is the state. Everything a user can do is a [`Command`]; [`Viewer::ui`] draws a
//!   frame, and whatever takes longer than a frame runs on other threads.
//! - [`render_image`] and [`render_svg`] draw a capture alone, [`Stage`] the whole window, both on
//!   the CPU.

mod analysis;
mod document;
mod paint;
mod panels;
mod query;
mod render;
mod stage;
mod state;
mod timeline;

pub use document::{BarCount, Document, OpenError, OpenOptions, OpenProgress, open, open_with};
pub use paint::{ColourBy, Image, Rasteriser};
pub use query::{NameStatistics, RangeStatistics};
pub use render::{RenderOptions, render_image, render_svg};
pub use stage::Stage;
pub use state::{Command, Effect, EventRef, Link, Note, Panel, RequestColumn, Settings, Viewer};
pub use timeline::{Tick, TimeRange, bytes_text, count_text, duration_text, moment_text, ticks};

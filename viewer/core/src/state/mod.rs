//! What is open, what is selected, and what can be done to it.

mod command;
mod event_ref;
mod history;
mod jobs;
mod link;
mod notes;
mod requests;
mod session;
mod settings;
mod tile_worker;
mod viewer;

pub use command::{Command, Panel, RequestColumn};
pub use event_ref::EventRef;
pub(crate) use history::History;
pub use link::Link;
pub use notes::Note;
pub(crate) use session::{Reveal, Session};
pub use settings::Settings;
pub use viewer::{Effect, Viewer};

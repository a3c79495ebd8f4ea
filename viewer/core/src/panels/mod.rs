//! The panels, and how they are docked.

mod arrows;
mod compare;
mod details;
mod dialogs;
mod frame;
mod keys;
mod layout;
mod menu;
mod minimap;
mod notes;
mod palette;
mod problems;
mod requests;
mod statistics;
mod step_pair;
mod timeline;
mod titles;
mod verdict;
mod welcome;

pub(crate) use layout::Layout;
pub(crate) use timeline::Drawn;

//! Level of detail: what a viewer draws of a track with millions of events on two thousand pixels.
//!
//! A *track* is the events of one table on one stream (thread, process, service). Over its events
//! stands a tree with fan-out 8; a node says from when to when its events lie, how long the track
//! was busy in them, how many they are, and which name took the most time. Nodes of 512 events
//! (*leaves*) are stored in the file; what is above them is built when a file is opened, what is
//! below when a chunk is decoded, as far down as is drawn.
//!
//! Busy time counts time in which several events overlap once, as far as events are in order of
//! start. The dominant name of a node is chosen among the dominant names of its children, so it is
//! approximate where many names share the time.

mod cell;
mod detail;
mod leaf;
mod node;
mod paint;
mod pyramid;
mod stored;
mod track_rows;

pub use cell::{Cell, Coverage};
pub use detail::{Depth, MissingChunk};
pub(crate) use leaf::LeafBuilder;
pub use pyramid::{Pyramid, Track};
pub(crate) use stored::{DECODED_LEN, read_leaves, write_leaves};
pub use track_rows::{TimelinePyramid, TimelineTrack};

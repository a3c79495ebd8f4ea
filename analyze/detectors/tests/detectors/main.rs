//! Each detector on the smallest server that has its fault, and on one that only looks like it.

mod engines;
mod hand_made;
mod mixed_steps;
mod partial;
mod run_again;
mod single_worker;

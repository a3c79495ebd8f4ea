//! A running receiver, seen from outside, and the plan that leads exports to it.

mod crash;
mod engines;
mod intake;
mod plan;
mod support;
mod tee;

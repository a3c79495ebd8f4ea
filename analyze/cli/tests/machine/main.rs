//! What the machine tells: `underspan doctor`, and NVML beside a recording.

mod doctor;
mod nvml;
#[path = "../support/mod.rs"]
mod support;
mod wheels;

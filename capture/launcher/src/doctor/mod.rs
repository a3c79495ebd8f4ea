//! Says what will work on this machine, what will not, and what to do about it.
//!
//! What may crash or hang (loading a libcupti without a driver, starting NVML) is done in a child:
//! this program again, as [`probe`] answers it.

mod child;
mod clock;
mod cupti;
mod disk;
mod driver;
mod gpus;
mod own_files;
mod sharing;
mod tools;

use std::path::Path;

use serde::Serialize;

pub use child::probe;

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// Not there, and not needed for everything.
    Absent,
    /// Works with limits.
    Limited,
    /// Does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A word that stays the same: `driver`, `cupti`, …
    pub id: &'static str,
    /// How it stands.
    pub health: Health,
    /// What was found, in one line.
    pub found: String,
    /// What to do, when there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Check {
    fn good(id: &'static str, found: impl Into<String>) -> Self {
        Self { id, health: Health::Good, found: found.into(), fix: None }
    }

    fn other(
        id: &'static str,
        health: Health,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { id, health, found: found.into(), fix: Some(fix.into()) }
    }
}

/// What a machine can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Version of this form; fields are only added.
    pub schema: u32,
    /// Whether GPU work can be recorded here.
    pub records_gpu_work: bool,
    /// Whether requests and engine steps can be recorded here, with or without a GPU.
    pub records_requests: bool,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
}

/// Looks at this machine. `program` is this program, which answers `doctor --probe WHAT` with
/// [`probe`]; `folder` is where captures would go.
pub fn examine(program: &Path, folder: &Path) -> Examination {
    let mut checks = Vec::new();
    let has_driver = driver::check(&mut checks);
    let gpus = gpus::check(program, &mut checks);
    sharing::check(gpus.as_ref(), &mut checks);
    let has_cupti = cupti::check(program, has_driver, &mut checks);
    let has_collector = own_files::check(&mut checks);
    tools::check(&mut checks);
    clock::check(&mut checks);
    let has_room = disk::check(folder, &mut checks);
    Examination {
        schema: 1,
        records_gpu_work: has_driver && has_cupti && has_collector && has_room,
        records_requests: has_collector && has_room,
        checks,
    }
}

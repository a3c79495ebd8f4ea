//! Starts a process with the collector in it, looks after both, and gathers what was recorded.
//!
//! [`record`] runs a command: it sets the variables that have CUDA, NVTX and Python load the
//! collector and its hook ([`injection`]), passes signals and the exit code through
//! ([`Supervised`]), asks every collector for its state through its control socket ([`Fleet`]),
//! arms and stops them when [`Plan`] says so, and hands the files of all processes to its
//! [`Observer`]. [`arm`] runs a command with a flight recorder and waits for [`Triggers`] and for
//! requests beyond their [`RequestLimits`]; [`record_running`] asks processes that were started so.
//! Nothing in here ends, slows or refuses the command: what goes wrong is a note.

mod arm;
mod attach;
mod control;
mod doctor;
mod error;
mod files;
mod fleet;
mod injection;
mod live;
mod nvml;
mod observer;
mod options;
mod otlp;
mod own_piece;
mod plan;
mod process_tree;
mod record;
mod session;
mod signals;
mod slow_requests;
mod start;
mod supervised;
mod triggers;

pub use arm::{ArmOptions, arm};
pub use attach::{AttachOptions, record_running};
pub use control::{ControlError, Status, ask, status};
pub use doctor::{Check, Examination, Health, examine, probe};
pub use error::LaunchError;
pub use files::{Files, HOOK_FILES, find_beside, find_collector, unpack_hook};
pub use fleet::{Fleet, Totals};
pub use injection::{Injection, injection};
pub use live::live_files;
pub use observer::Observer;
pub use options::{Kinds, Mode, RecordOptions};
pub use plan::{Action, Plan, StopReason};
pub use process_tree::{ProcessFacts, ProcessTree};
pub use record::{Recorded, record};
pub use session::{Pieces, Session};
pub use slow_requests::{RequestLimits, RequestObjective};
pub use supervised::{Ending, Supervised};
pub use triggers::Triggers;

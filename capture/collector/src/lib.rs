//! The library that a traced process loads.
//!
//! The CUDA driver loads it where `CUDA_INJECTION64_PATH` names it, NVTX where
//! `NVTX_INJECTION64_PATH` does. It records GPU work through CUPTI, annotations through a function
//! table of its own and engine steps through the functions of `underspan.h`, and appends them to a
//! `.uspan` file. `README.md` lists what the environment and the control socket can ask for.
//!
//! ```text
//! launching threads ─▶ sink, pool ─┐ filled buffers
//! annotations, hook ─▶ events ─────┼─▶ writer ─▶ rows ─▶ output ─▶ .uspan
//! socket, timers ────▶ control ────┘ commands
//! ```
//!
//! - Nothing that runs on a thread of the application waits for another thread, allocates in a
//!   buffer callback, or calls CUPTI there.
//! - Every record ends up as a row or as a count in the ledger of problems.
//! - A forked child does nothing; a spawned one loads its own copy and writes its own file.
//! - Nothing here ends the process, writes to its standard output, or calls `cuptiFinalize`.

mod chain;
mod collector;
pub mod config;
pub mod control;
mod entry;
pub mod events;
mod graph_nodes;
pub mod kinds;
mod nvtx;
pub mod pool;
mod process;
pub mod recorder;
mod sink;
pub mod writer;

pub use entry::{
    InitializeInjection, InitializeInjectionNvtx2, underspan_hook_abi_version, underspan_members,
    underspan_note, underspan_request, underspan_step_begin, underspan_step_end,
};

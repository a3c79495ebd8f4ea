//! Samples the state of the GPUs beside a recording: clocks, why they are held down, power,
//! temperature, load and memory, and which processes are on them.
//!
//! Ten times a second, through NVML, into a capture of counters with the names that
//! `nvidia-smi --query-gpu` and `pmon` have for them. NVML is looked for when it is needed; that
//! there is none is written down as missing evidence.

mod library;
mod piece;
mod reading;
mod ring;

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use underspan_model::{ProblemKind, ProblemLedger};

pub(crate) use library::open;
use piece::Piece;
pub(crate) use reading::Card;
pub(crate) use ring::NvmlRing;

/// Time between two samples of a device.
const EVERY: Duration = Duration::from_millis(100);
/// Samples between two looks at processes, and two writes to the file.
const SAMPLES_PER_LOOK: u64 = 10;
/// The name that problems are recorded under.
const SOURCE: &str = "NVML";

/// A thread that samples until it is stopped.
pub(crate) struct NvmlSampler {
    stop: Sender<()>,
    thread: JoinHandle<ProblemLedger>,
}

impl NvmlSampler {
    /// Starts to sample into a new capture at `path`; none is made where there is no NVML.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(crate) fn start(path: PathBuf) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread =
            std::thread::Builder::new().name("underspan-nvml".to_owned()).spawn(move || {
                let mut problems = ProblemLedger::new();
                let wait = |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
                if let Err((kind, reason)) = sample(path, &mut problems, wait) {
                    problems.record(kind, SOURCE, 1, || reason);
                }
                problems
            })?;
        Ok(Self { stop, thread })
    }

    /// Completes the capture; what is missing from it.
    pub(crate) fn stop(self) -> ProblemLedger {
        // The thread may have ended by itself.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_default()
    }
}

/// Samples as long as `wait` says so.
fn sample(
    path: PathBuf,
    problems: &mut ProblemLedger,
    wait: impl Fn(Duration) -> bool,
) -> Result<(), (ProblemKind, String)> {
    let missing = |reason: String| (ProblemKind::MissingEvidence, reason);
    let nvml = open().map_err(|reason| missing(format!("no clocks and no power: {reason}")))?;
    let mut cards = Card::all(&nvml).map_err(|reason| missing(format!("no devices: {reason}")))?;
    let failed = |error: underspan_native::Error| (ProblemKind::WriteFailed, error.to_string());
    let mut piece = Piece::create(&path, &cards).map_err(failed)?;
    let mut next = Instant::now();
    for round in 0_u64.. {
        for card in &mut cards {
            card.sample(&mut piece.rows);
            if round % SAMPLES_PER_LOOK == 0 {
                card.sample_processes(&mut piece.rows);
            }
        }
        if round % SAMPLES_PER_LOOK == 0 {
            piece.flush().map_err(failed)?;
        }
        // A late sample is not made up for.
        next = (next + EVERY).max(Instant::now());
        if !wait(next - Instant::now()) {
            break;
        }
    }
    for card in &cards {
        card.note_missing(problems, SOURCE);
    }
    piece.finish().map_err(failed)
}

//! What can be wrong with a capture itself: nothing certain may be concluded from it.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use crate::public::Capture;
use crate::random::Random;
use crate::recording::Recording;
use crate::served::{Served, percentile};

/// A damage to a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Corruption {
    /// The profiler lost buffers: stretches of device records are missing.
    DroppedRecords,
    /// Spans come from a host whose clock is 50 ms off.
    SkewedClocks,
    /// Most requests have no spans.
    MissingSpans,
    /// Only the slowest requests were kept, as tail sampling does.
    SlowSpansOnly,
    /// The trace file ends in the middle.
    TruncatedTrace,
}

impl Corruption {
    /// Every corruption.
    pub const ALL: [Self; 5] = [
        Self::DroppedRecords,
        Self::SkewedClocks,
        Self::MissingSpans,
        Self::SlowSpansOnly,
        Self::TruncatedTrace,
    ];

    /// Name in case names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DroppedRecords => "dropped-records",
            Self::SkewedClocks => "skewed-clocks",
            Self::MissingSpans => "missing-spans",
            Self::SlowSpansOnly => "slow-spans-only",
            Self::TruncatedTrace => "truncated-trace",
        }
    }

    /// The corruption with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|corruption| corruption.name() == name)
    }

    /// Damages what is about to be written.
    pub(crate) fn damage(self, capture: &mut Capture, seed: u64) {
        let mut random = Random::for_purpose(seed, "corruption");
        let served = &capture.run.served;
        match self {
            Self::DroppedRecords => {
                for recording in &mut capture.run.recordings {
                    drop_stretches(recording, &mut random);
                }
            }
            Self::SkewedClocks => {
                let sign = if random.unit() < 0.5 { -1 } else { 1 };
                capture.span_skew_ns = sign * random.between(44_000_000, 56_000_000) as i64;
            }
            Self::MissingSpans => {
                capture.lost_spans = (0..served.len()).filter(|_| random.unit() < 0.65).collect();
            }
            Self::SlowSpansOnly => {
                let lengths: Vec<u64> = served.iter().map(Served::outer_ns).collect();
                let bound_ns = percentile(lengths.clone(), 85.0);
                capture.lost_spans =
                    (0..served.len()).filter(|&at| lengths[at] < bound_ns).collect();
            }
            Self::TruncatedTrace => {}
        }
    }

    /// Damages what was written.
    ///
    /// # Errors
    /// What the file system returns.
    pub(crate) fn damage_files(self, folder: &Path, seed: u64) -> io::Result<()> {
        if self != Self::TruncatedTrace {
            return Ok(());
        }
        let mut random = Random::for_purpose(seed, "truncation");
        for name in ["trace.json.gz", "trace.rank0.json.gz"] {
            let path = folder.join(name);
            if path.exists() {
                let file = OpenOptions::new().write(true).open(&path)?;
                let length = file.metadata()?.len() as f64;
                file.set_len((length * random.within(0.35, 0.8)) as u64)?;
            }
        }
        Ok(())
    }
}

/// Four buffers' worth of device records, a fifth of all, are lost.
fn drop_stretches(recording: &mut Recording, random: &mut Random) {
    let n = recording.kernels.len();
    let length = n / 20;
    let starts: Vec<usize> =
        (0..4).map(|_| random.between(0, (n - length).max(1) as u64) as usize).collect();
    let is_lost = |at: usize| starts.iter().any(|start| (*start..start + length).contains(&at));
    let mut at = 0;
    recording.kernels.retain(|_| {
        at += 1;
        !is_lost(at - 1)
    });
}

//! D7 and D18: the host stops for the device or the allocator, and the device runs dry.

use underspan_model::tables::TableKind;

use crate::Case;
use crate::StepFacts;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{
    beyond_natural, evidence_of_steps, p95_share, percent, ratio, requests_in, step_time, total,
};
use crate::replay::Removal;

/// D7.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SyncStall;

/// D18.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allocator;

/// What tells one kind of stall from another.
struct Stall {
    id: &'static str,
    of: fn(&StepFacts) -> u64,
    before: fn(&StepFacts) -> u64,
    /// Least share of the time of steps, and of the 95th percentile.
    share_min: f64,
    what: &'static str,
    counter_evidence: &'static str,
    remedy: &'static str,
    confirm: &'static str,
}

impl Detector for SyncStall {
    fn id(&self) -> &'static str {
        "D7"
    }

    fn title(&self) -> &'static str {
        "synchronisation stall"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "In the middle of a step the host waits for the device (an .item(), a blocking copy, a \
         stream synchronisation), and when it goes on, nothing is queued: the device is idle until \
         the next launch arrives. A wait at the end of a step, for the result that is needed, costs \
         nothing and is not counted; what counts is idle time between work of one step that follows \
         such a wait."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        Stall {
            id: "D7",
            of: |facts| facts.gap_sync_ns,
            before: |facts| facts.lag.sync_ns,
            share_min: 0.05,
            what: "after waits of the host in the middle of steps the device was idle",
            counter_evidence: "A wait for a value that decides what runs next cannot go, only move.",
            remedy: "Keep values on the device: no .item() and no blocking copy between layers; copy \
                     results asynchronously and look at them one step later.",
            confirm: "`underspan stats --report api` must show fewer synchronising calls per step.",
        }
        .detect(case)
    }
}

impl Detector for Allocator {
    fn id(&self) -> &'static str {
        "D18"
    }

    fn title(&self) -> &'static str {
        "allocator in the hot path"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Steps take device memory from the driver, give it back, or make graphs ready (cudaMalloc, \
         cudaFree, cudaGraphInstantiate) while the device is idle. These calls wait for the device \
         and take long; in a steady state a caching allocator makes none. Warm-up is expected to \
         have them: what counts is idle time within steps that serve requests."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        Stall {
            id: "D18",
            of: |facts| facts.gap_allocate_ns + facts.gap_instantiate_ns,
            before: |facts| facts.lag.allocate_ns + facts.lag.instantiate_ns,
            share_min: 0.02,
            what: "while the host took or gave back memory or made graphs ready the device was idle",
            counter_evidence: "Growth at the start of a run ends by itself.",
            remedy: "Use a caching or stream-ordered allocator (cudaMallocAsync, PyTorch's), reserve \
                     memory before serving, and do not empty caches between requests.",
            confirm: "`underspan stats --report api` must show no cudaMalloc or cudaFree per step.",
        }
        .detect(case)
    }
}

impl Stall {
    fn detect(&self, case: &Case<'_>) -> Detection {
        if case.timeline.api_calls.is_empty() {
            return Detection::MissingInput("API calls");
        }
        if case.facts.iter().all(|facts| facts.n_kernels == 0) {
            return Detection::MissingInput("device work within steps");
        }
        let removal = Removal {
            run_ns: beyond_natural(case, self.of),
            lag_ns: beyond_natural(case, self.before),
            ..Removal::default()
        };
        let taken: Vec<u64> =
            removal.run_ns.iter().zip(&removal.lag_ns).map(|(run, lag)| run + lag).collect();
        let of_steps = ratio(total(&taken), step_time(case) + total(&removal.lag_ns));
        let share = p95_share(case, &removal);
        let of_all = percent(of_steps);
        if share < self.share_min.max(0.05) || of_steps < self.share_min {
            return Detection::Clear(format!("{} {of_all} of the time of steps", self.what));
        }
        let waits: u64 = case.facts.iter().map(|facts| u64::from(facts.n_syncs)).sum();
        let per_step = waits as f64 / case.facts.len().max(1) as f64;
        let count =
            if self.id == "D7" { format!(" ({per_step:.1} a step)") } else { String::new() };
        Detection::Found(Box::new(Finding {
            id: self.id,
            summary: format!("{} {of_all} of the time of steps{count}", self.what),
            evidence: evidence_of_steps(case, &taken, TableKind::ApiCall, |facts| facts.first_stop),
            requests: requests_in(case, &taken),
            removal,
            grade: Grade::Measured,
            counter_evidence: vec![self.counter_evidence.to_owned()],
            remedy: self.remedy.to_owned(),
            setting: None,
            confirm: self.confirm.to_owned(),
        }))
    }
}

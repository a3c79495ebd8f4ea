//! A plain PyTorch server behind HTTP: one worker that handles one request at a time.

use crate::conditions::Conditions;
use crate::device::Gpu;
use crate::encoder::{Encoder, Executor};
use crate::faults::RuntimeFaults;
use crate::kernels::{Kernels, Library};
use crate::load::{Load, Way};
use crate::random::Random;
use crate::rank::{Identity, Rank};
use crate::recording::{Member, Request, Step};
use crate::served::{Run, Served, Stages};

/// Settings of the server and its load.
#[derive(Debug, Clone)]
pub(crate) struct PyTorch {
    pub(crate) gpu: Gpu,
    pub(crate) encoder: Encoder,
    pub(crate) load: Load,
    pub(crate) way: Way,
    pub(crate) faults: RuntimeFaults,
    pub(crate) conditions: Conditions,
    pub(crate) base_ns: u64,
}

impl PyTorch {
    /// Serves all requests. `noise_seed` changes the noise but not who asks for what.
    pub(crate) fn run(&self, load_seed: u64, noise_seed: u64) -> Run {
        let arrivals = self.load.arrivals(load_seed, &self.way);
        let who = Identity {
            pid: 6_007,
            tid: 6_438,
            process_name: "python3",
            device: 0,
            rank: None,
            base_ns: self.base_ns,
        };
        let random = Random::for_purpose(noise_seed, "rank 0");
        let mut rank = Rank::new(random, self.gpu, self.conditions.clone(), &who);
        let mut executor = Executor {
            kernels: Kernels { gpu: self.gpu, library: Library::Torch },
            random: Random::for_purpose(noise_seed, "executor"),
            n_executions: 0,
            compile_every: self
                .faults
                .compilations
                .map_or(1, |c| (self.load.n_requests as u64 / u64::from(c.0.max(1))).max(1)),
        };
        let mut fronts = Random::for_purpose(load_seed, "front end");
        let mut order: Vec<usize> = (0..arrivals.len()).collect();
        let ready = |at: usize| arrivals[at].server_ns + arrivals[at].frontend_ns;
        order.sort_by_key(|&at| ready(at));
        let mut ends_ns = vec![0; arrivals.len()];
        for (step_id, &at) in order.iter().enumerate() {
            let before_ns = fronts.log_normal(110_000.0, 0.25);
            rank.host_waits_until(ready(at) + before_ns as u64);
            rank.host_works(60_000.0 + self.faults.step_delay_ns);
            let start_ns = rank.now_ns();
            let tokens = arrivals[at].prompt;
            rank.annotated("predict".to_owned(), |rank| {
                self.encoder.execute(rank, &mut executor, &self.faults, &[tokens], 0);
            });
            let step = Step {
                step_id: step_id as u64,
                start_ns,
                duration_ns: rank.now_ns() - start_ns,
                members: vec![Member {
                    request: at,
                    own_tokens: tokens as u32,
                    computed_tokens: 0,
                    is_prefill: true,
                }],
            };
            rank.recording_mut().steps.push(step);
            rank.host_works(45_000.0);
            ends_ns[at] = rank.now_ns() + fronts.log_normal(120_000.0, 0.25) as u64;
        }
        let served: Vec<Served> = arrivals
            .into_iter()
            .zip(ends_ns)
            .map(|(arrival, server_end_ns)| Served {
                arrival,
                server_end_ns,
                stages: Stages::Plain,
            })
            .collect();
        let (mut recording, conditions) = rank.into_parts();
        recording.requests = served.iter().map(request_of).collect();
        Run {
            recordings: vec![recording],
            conditions: vec![conditions],
            served,
            metrics: Vec::new(),
            samples: Vec::new(),
            labels: String::new(),
        }
    }
}

/// The request as the server knew it.
pub(crate) fn request_of(served: &Served) -> Request {
    Request {
        trace_id: served.arrival.trace_id,
        span_id: served.arrival.span_ids[2],
        id: crate::spans::request_id(&served.arrival),
        arrival_ns: served.arrival.server_ns,
        end_ns: served.server_end_ns,
    }
}

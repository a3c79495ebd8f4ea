//! A plain PyTorch server: one request at a time, eager kernels, an upload of the input first.

use crate::llm::{Batch, Model};
use crate::machine::Machine;
use crate::recording::{CopyKind, Member, Request, Step};

const STREAM: u32 = 7;

/// Settings of the server and its load.
#[derive(Debug, Clone)]
pub(crate) struct PlainServer {
    pub(crate) model: Model,
    /// Tokens per request, all in one forward pass.
    pub(crate) tokens: u64,
    /// Bytes uploaded per request.
    pub(crate) upload_bytes: u64,
    /// Whether the upload comes from pageable memory.
    pub(crate) uploads_pageable: bool,
    /// Mean time between arrivals, ns.
    pub(crate) arrival_gap_ns: f64,
    /// Requests to serve.
    pub(crate) n_requests: usize,
    /// Host time the framework takes per operator, ns.
    pub(crate) host_per_op_ns: f64,
    /// Synchronizes after every layer's worth of kernels.
    pub(crate) syncs_every: Option<usize>,
}

impl PlainServer {
    /// Serves all requests.
    pub(crate) fn run(&self, machine: &mut Machine) {
        let mut arrival_ns = machine.now_ns() as f64;
        for request in 0..self.n_requests {
            let random = machine.random();
            arrival_ns += random.exponential(self.arrival_gap_ns);
            let trace_id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            let span_id = random.next_u64() | 1;
            machine.host_waits_until(arrival_ns as u64);
            let start_ns = machine.now_ns();
            self.serve(machine);
            let end_ns = machine.now_ns();
            let recording = machine.recording();
            recording.requests.push(Request {
                trace_id,
                span_id,
                id: format!("req-{request}"),
                arrival_ns: arrival_ns as u64,
                end_ns,
            });
            let own_tokens = self.tokens as u32;
            recording.steps.push(Step {
                step_id: request as u64,
                start_ns,
                duration_ns: end_ns - start_ns,
                members: vec![Member { request, own_tokens, computed_tokens: 0, is_prefill: true }],
            });
        }
    }

    fn serve(&self, machine: &mut Machine) {
        let batch = Batch {
            tokens: self.tokens,
            context_tokens: self.tokens,
            has_prefill: true,
            requests: 1,
        };
        machine.annotated("predict".to_owned(), |machine| {
            machine.host_works(300_000.0);
            let upload = if self.uploads_pageable {
                CopyKind::PageableToDevice
            } else {
                CopyKind::PinnedToDevice
            };
            machine.copy(STREAM, upload, self.upload_bytes);
            machine.fill(STREAM, 4 * self.tokens);
            for (at, work) in self.model.forward(batch).iter().enumerate() {
                machine.launch(STREAM, work, self.host_per_op_ns);
                if self.syncs_every.is_some_and(|every| at % every == every - 1) {
                    machine.synchronize(STREAM);
                }
            }
            machine.copy(STREAM, CopyKind::DeviceToPinned, 4 * self.tokens);
            machine.synchronize(STREAM);
            machine.host_works(150_000.0);
        });
    }
}

//! One execution of an encoder on one GPU, as plain PyTorch servers and Triton backends do it.

use crate::faults::RuntimeFaults;
use crate::kernels::Kernels;
use crate::model::{Model, Pass, Precision};
use crate::random::Random;
use crate::rank::{Rank, Work};
use crate::recording::CopyKind;

/// Stream of the first branch; every further branch has the next but one.
const COMPUTE: u32 = 7;
/// Stream of uploads that overlap.
const UPLOAD: u32 = 24;

/// How a server executes its model.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    pub(crate) model: Model,
    pub(crate) precision: Precision,
    pub(crate) uses_graphs: bool,
    /// Independent towers of the model.
    pub(crate) branches: u32,
    /// Each tower has a stream of its own.
    pub(crate) branches_overlap: bool,
    /// Sequences that every execution is padded to.
    pub(crate) padded_batch: u64,
    /// Input bytes per sequence.
    pub(crate) input_bytes: u64,
    /// Host time of one operator besides its launch, ns; without operators only the launch counts.
    pub(crate) host_per_op_ns: f64,
    /// Results are copied to pageable memory, as `.cpu()` does.
    pub(crate) returns_pageable: bool,
}

/// State of one executor.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) kernels: Kernels,
    pub(crate) random: Random,
    pub(crate) n_executions: u64,
    pub(crate) compile_every: u64,
}

impl Encoder {
    /// The pass of a batch of sequences, padding included.
    pub(crate) fn pass(&self, sequences: &[u64]) -> Pass {
        let longest = sequences.iter().copied().max().unwrap_or(1);
        let batch = (sequences.len() as u64).max(self.padded_batch);
        Pass {
            rows: batch * longest,
            sequences: vec![(longest, longest); batch as usize],
            outputs: 0,
        }
    }

    /// Kernels of one tower.
    pub(crate) fn works(&self, kernels: &Kernels, pass: &Pass) -> Vec<Work> {
        self.model.encoder(kernels, &self.precision, pass)
    }

    /// Runs one batch on stream `7 + offset` and waits for the results.
    pub(crate) fn execute(
        &self,
        rank: &mut Rank,
        executor: &mut Executor,
        faults: &RuntimeFaults,
        sequences: &[u64],
        offset: u32,
    ) {
        let stream = COMPUTE + offset;
        if let Some((count, ns)) = faults.allocations {
            for _ in 0..count {
                rank.allocate("cudaMalloc", ns);
            }
        }
        self.upload(rank, faults, sequences.len() as u64, stream);
        if let Some((_, ns)) = faults.compilations
            && executor.n_executions % executor.compile_every == executor.compile_every / 2
        {
            let ns = ns * executor.random.within(0.8, 1.2);
            rank.host_works(0.85 * ns);
            rank.host_call("cuModuleLoadData", 0.15 * ns);
        }
        executor.n_executions += 1;
        let pass = self.pass(sequences);
        let works = self.works(&executor.kernels, &pass);
        let n_branches = self.branches.max(1);
        let inputs_ready_ns = rank.stream_ready_ns(stream);
        for branch in 0..n_branches {
            let own = if self.branches_overlap { stream + 6 * branch } else { stream };
            rank.stream_waits_until(own, inputs_ready_ns);
            self.launch(rank, faults, own, &works, pass.rows as u32 + branch);
        }
        for branch in 1..n_branches {
            let own = if self.branches_overlap { stream + 6 * branch } else { stream };
            let ready_ns = rank.stream_ready_ns(own);
            rank.stream_waits_until(stream, ready_ns);
        }
        let bytes = 2 * self.model.hidden * sequences.len() as u64;
        let kind = if self.returns_pageable {
            CopyKind::DeviceToPageable
        } else {
            CopyKind::DeviceToPinned
        };
        rank.copy(stream, kind, bytes);
        rank.synchronize(stream);
        if let Some((count, ns)) = faults.allocations {
            for _ in 0..count {
                rank.allocate("cudaFree", ns);
            }
        }
    }

    fn upload(&self, rank: &mut Rank, faults: &RuntimeFaults, n: u64, stream: u32) {
        let bytes = self.input_bytes * n;
        match faults.upload {
            Some(upload) => {
                let kind = if upload.is_pageable {
                    CopyKind::PageableToDevice
                } else {
                    CopyKind::PinnedToDevice
                };
                if upload.is_overlapped {
                    // The next batch's data, on its own stream; this batch's is already there.
                    rank.copy(UPLOAD, CopyKind::PinnedToDevice, upload.bytes * n);
                    rank.copy(stream, CopyKind::PinnedToDevice, bytes);
                } else {
                    rank.copy(stream, kind, upload.bytes * n);
                }
            }
            None => rank.copy(stream, CopyKind::PinnedToDevice, bytes),
        }
    }

    fn launch(
        &self,
        rank: &mut Rank,
        faults: &RuntimeFaults,
        stream: u32,
        works: &[Work],
        graph_id: u32,
    ) {
        if self.uses_graphs && faults.reads_back.is_none() {
            let mut graph = rank.begin_graph(stream, graph_id, works.len());
            for work in works {
                let kernel = rank.node(&mut graph, work);
                let end_ns = kernel.start_ns + rank.time_of(work, kernel.start_ns);
                rank.run(kernel, end_ns);
            }
            return;
        }
        let per_layer = works.len() / self.model.layers.max(1) as usize;
        for (at, work) in works.iter().enumerate() {
            rank.launch(stream, work, self.host_per_op_ns + faults.launch_delay_ns);
            if let Some((count, ns)) = faults.reads_back
                && at % per_layer == per_layer - 1
            {
                for _ in 0..count {
                    rank.copy(stream, CopyKind::DeviceToPageable, 4);
                    rank.synchronize(stream);
                    rank.host_works(ns);
                }
            }
        }
    }
}

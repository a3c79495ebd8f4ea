//! Work for a GPU, to be recorded: kernels on several streams, copies, a replayed graph, and matrix
//! products in two precisions. Says on standard output what it did, as one JSON object.
//!
//! `gpu-workload [ROUNDS]`. The driver and cuBLAS are loaded when it runs: it builds without CUDA,
//! and says in one line that there is no driver or no GPU. Without cuBLAS there are no products.
//!
//! ```text
//! underspan record --kinds node -o cap.uspan -- gpu-workload 100
//! ```
#![expect(clippy::print_stdout, reason = "a program that says what it did")]

mod device;
mod products;

use anyhow::{Context, Result};
use serde_json::json;

use device::{Device, why_not};
use products::products;

/// Streams that work at the same time.
const N_STREAMS: usize = 4;
/// Kernels of the graph.
const N_NODES: usize = 16;
const DEFAULT_ROUNDS: usize = 50;

fn main() -> Result<()> {
    let rounds = match std::env::args().nth(1) {
        Some(text) => text.parse().with_context(|| format!("{text:?}: expected a number"))?,
        None => DEFAULT_ROUNDS,
    };
    if let Some(reason) = why_not() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let device = Device::new()?;
    let mut lanes = Vec::new();
    for _ in 0..N_STREAMS {
        lanes.push(device.lane()?);
    }
    for _ in 0..rounds {
        for lane in &mut lanes {
            lane.upload()?;
            lane.add_one()?;
            lane.download()?;
        }
    }
    let mut graphed = device.lane()?;
    let graph = graphed.captured(N_NODES)?;
    for _ in 0..rounds {
        graph.launch()?;
    }
    device.synchronize()?;
    let products = products(&device, rounds)?;
    device.synchronize()?;
    let told = json!({
        "streams": N_STREAMS + 1,
        "kernels": rounds * N_STREAMS,
        "copies": { "to_device": rounds * N_STREAMS, "to_host": rounds * N_STREAMS },
        "copy_bytes": device::LANE_BYTES,
        // The device added one to what was copied, or it is none that computes.
        "computed": lanes.iter().all(device::Lane::is_computed),
        "graph": { "nodes": N_NODES, "replays": rounds },
        "products": products.map(|n| json!({ "fp32": n, "fp16": n })),
    });
    println!("{told}");
    Ok(())
}

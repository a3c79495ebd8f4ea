//! GPUs that are cut up or shared: MIG, MPS, virtual GPUs.

use std::path::Path;

use serde_json::Value;

use super::{Check, Health};

/// Where the MPS control daemon listens unless `CUDA_MPS_PIPE_DIRECTORY` says otherwise.
const MPS_PIPE: &str = "/tmp/nvidia-mps/control";

pub(super) fn check(gpus: Option<&Vec<Value>>, checks: &mut Vec<Check>) {
    for gpu in gpus.into_iter().flatten() {
        let index = gpu.get("index").and_then(Value::as_u64).unwrap_or_default();
        let fact = |key: &str| gpu.get("facts")?.get(key)?.as_str();
        if fact("mig.mode.current") == Some("Enabled") {
            checks.push(Check::other(
                "mig",
                Health::Limited,
                format!("GPU {index} is cut up (MIG): clocks and power are those of the whole GPU"),
                "kernels are recorded as on any GPU; other instances are not seen",
            ));
        }
        let virtualization = gpu.get("virtualization").and_then(Value::as_str);
        if let Some(mode) = virtualization.filter(|mode| mode.contains("vgpu")) {
            checks.push(Check::other(
                "vgpu",
                Health::Limited,
                format!("GPU {index} is virtual ({mode})"),
                "on the host, let the virtual GPU be profiled (enable_profiling=1 in its plugin's \
                 parameters); without it CUPTI answers CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED",
            ));
        }
    }
    let pipe = std::env::var_os("CUDA_MPS_PIPE_DIRECTORY")
        .map_or_else(|| MPS_PIPE.into(), |folder| Path::new(&folder).join("control"));
    if pipe.exists() {
        checks.push(Check::other(
            "mps",
            Health::Limited,
            "an MPS server runs: kernels of several processes share the GPU",
            "record every process that uses it, or the others' work shows as interference without \
             a name",
        ));
    }
}

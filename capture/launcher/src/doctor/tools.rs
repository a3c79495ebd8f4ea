//! Other profilers: one process has room for one.

use std::path::Path;

use super::child::entries;
use super::{Check, Health};

/// Programs that take CUPTI or the counters, by the names that the kernel keeps of them.
const PROGRAMS: &[(&str, &str)] = &[
    ("nsys", "Nsight Systems"),
    ("nsys-launcher", "Nsight Systems"),
    ("ncu", "Nsight Compute"),
    ("dcgm-exporter", "the DCGM exporter"),
    ("nv-hostengine", "DCGM"),
    ("dcgmproftester", "the DCGM profiling test"),
];

pub(super) fn check(checks: &mut Vec<Check>) {
    const ID: &str = "other_profilers";
    let before = checks.len();
    for variable in ["CUDA_INJECTION64_PATH", "NVTX_INJECTION64_PATH"] {
        if let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
            checks.push(Check::other(
                ID,
                Health::Limited,
                format!("{variable} is set to {}: another tool is loaded there", value.display()),
                "unset it, or load both with `underspan record --chain`",
            ));
        }
    }
    let processes = entries(Path::new("/proc"), |name| name.parse::<u32>().is_ok());
    for (name, title) in PROGRAMS {
        let runs = processes.iter().any(|process| {
            // The kernel keeps fifteen bytes of a name.
            let comm = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
            comm.trim_end() == &name[..name.len().min(15)]
        });
        if runs {
            checks.push(Check::other(
                ID,
                Health::Limited,
                format!("{title} runs ({name})"),
                "a process that it profiles cannot be recorded at the same time; counters of \
                 others are not disturbed by tracing",
            ));
        }
    }
    if checks.len() == before {
        checks.push(Check::good(ID, "no other profiler is set up or runs"));
    }
}

"""Lengths of kernels as CUDA events measure them, and none that starts before its launch."""

import compare

from .fidelity import AT_ITS_OWN_MOMENT

SECONDS = 12


def run(kit, result):
    run = kit.record("clock", "clock.py", "api", 50, 2000, kinds="api", options=AT_ITS_OWN_MOMENT)
    info, truth = run.info(), run.truth
    spins = [row for row in run.stats("kernels") if "spin" in row["name"]]
    result.check("kernels", truth["kernels"], sum(row["count"] for row in spins))
    if spins:
        # Events are recorded before and after the kernel: they measure a few microseconds more.
        result.near("median length, ns", truth["median_ns"], spins[0]["p50_ns"], 0.02)
    result.check("kernels that start before their launch", 0, info["correlation"]["kernels_starting_before_launch"])
    result.facts["from launch to start, ns"] = {
        key: info["correlation"]["launch_to_start_ns"].get(key) for key in ("min", "p50", "p99")}
    result.check("losses", {}, compare.losses(info))

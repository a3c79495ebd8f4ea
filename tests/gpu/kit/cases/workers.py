"""Spawned workers record themselves, forked children nothing, and all become one capture."""

import compare

SECONDS = 25


def run(kit, result):
    run = kit.record("workers", "workers.py", 2, 4, 200)
    info, truth = run.info(), run.truth
    result.check("exit codes that are not zero", [], [code for code in truth["codes"] if code != 0])
    spins = [row for row in run.stats("kernels") if "spin" in row["name"]]
    result.check("kernels of all processes", truth["kernels"], sum(row["count"] for row in spins))
    result.check("losses", {}, compare.losses(info))

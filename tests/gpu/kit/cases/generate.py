"""The hook records every step of `generate` of transformers, with its kernels."""

import importlib.util

import compare
from report import Skip

SECONDS = 30


def run(kit, result):
    if kit.double:
        raise Skip("needs torch")
    if importlib.util.find_spec("transformers") is None:
        raise Skip("transformers is not installed")
    run = kit.record("generate", "generate.py", 32)
    steps = run.stats("steps")
    result.check("steps", run.truth["steps"], sum(row.get("count", 0) for row in steps))
    result.at_least("kernels", 32, run.info()["kernel_count"])
    result.check("losses", {}, compare.losses(run.info()))

"""The same kernels, names, total and busy time as torch.profiler on the same loop."""

import compare

SECONDS = 30
STEPS = 60

# Both stop and wait for the process's own moment: recording starts when the loop does.
AT_ITS_OWN_MOMENT = ("--delay", "1h")


def run(kit, result):
    profiled = kit.plain("fidelity-profiler", "loop.py", STEPS, "profiler")
    expected = compare.of_profiler(profiled.truth["trace"])
    result.facts["kernels of a step"] = expected.count / (2 * STEPS)
    recorded = kit.record("fidelity", "loop.py", STEPS, "api", kinds="api", options=AT_ITS_OWN_MOMENT)
    compare.same_work(result, expected, recorded.work())
    info = recorded.info()
    result.check("losses", {}, compare.losses(info))
    without = {key: n for key, n in info["correlation"]["kernels_without_launch"].items() if n}
    result.check("kernels without the call that launched them", {}, without)
    result.facts["bytes a kernel on disk"] = recorded.bytes() / max(expected.count, 1)

"""torch.profiler starts and stops in the recorded process: nothing breaks, no loss is silent."""

import compare
from report import Skip

SECONDS = 35


def run(kit, result):
    if kit.double:
        raise Skip("needs torch.profiler")
    for policy in ("hold", "yield"):
        run = kit.record("kineto-" + policy, "kineto.py", 200, env={"UNDERSPAN_SUBSCRIBE": policy,
                                                                    "UNDERSPAN_TAKEOVER_MS": "1000"})
        info, truth = run.info(), run.truth
        result.at_least(policy + ": records before", truth["kernels"], truth["records_before"])
        lost = compare.losses(info)
        continues = truth["records_after"] >= truth["kernels"]
        # Either everything after it is there, or the capture says that something is missing.
        result.check(policy + ": records go on or the gap is told", True, continues or bool(lost))
        result.facts[policy + ": kernels that torch.profiler saw of 200"] = truth["profiler_saw"]
        result.facts[policy + ": recording goes on after it"] = continues
        result.facts[policy + ": told as lost"] = lost or "nothing"

"""Flushing CUPTI four times a second costs nothing that flushing it never would not."""

import compare

from .fidelity import AT_ITS_OWN_MOMENT
from .overhead import other_losses

SECONDS = 30


def run(kit, result):
    medians = {}
    for name, milliseconds in (("often", 250), ("never", 60000)):
        env = {"UNDERSPAN_FLUSH_MS": str(milliseconds)}
        arguments = ("node", "graph", 5, 1.5 * kit.block_seconds)
        run = kit.record("flush-" + name, "blocks.py", *arguments, kinds="node", options=AT_ITS_OWN_MOMENT, env=env)
        blocks = run.truth["blocks"]
        cost, itl = compare.throughput_cost(blocks), compare.itl_cost(blocks)
        medians[name] = cost.median
        result.check("{} ms: losses".format(milliseconds), {}, other_losses(run))
        result.facts["{} ms: time per token".format(milliseconds)] = cost.text()
        result.facts["{} ms: ITL p99".format(milliseconds)] = itl.text()
    difference = 100 * (medians["often"] - medians["never"])
    result.facts["difference, points"] = difference
    if not kit.double:
        result.at_most("every 250 ms against never, points", 2.0, difference)

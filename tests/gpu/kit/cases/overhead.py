"""Tokens per second and ITL p99 of a decode loop: dormant, lite, node and api against nothing."""

import compare

from .fidelity import AT_ITS_OWN_MOMENT

SECONDS = 150
PAIRS = 5

# Most that each may cost, as a share of the time per token.
MOST = {"lite": 0.02, "node": 0.08, "api": 0.12}
# What the 99th percentile of a short block, and whole processes, differ by anyway.
NOISE = 0.02


def run(kit, result):
    for kinds, most in MOST.items():
        for mode in ("graph", "eager"):
            armed(kit, result, kinds, mode, most)
    dormant(kit, result)


def armed(kit, result, kinds, mode, most):
    """Blocks with recording against blocks without, in one process."""
    name = "overhead-{}-{}".format(kinds, mode)
    run = kit.record(name, "blocks.py", kinds, mode, PAIRS, kit.block_seconds, kinds=kinds,
                     options=AT_ITS_OWN_MOMENT)
    blocks = run.truth["blocks"]
    throughput, itl = compare.throughput_cost(blocks), compare.itl_cost(blocks)
    what = "{}, {}: ".format(kinds, mode)
    result.facts[what + "tokens/s without"] = compare.statistics.median(map(compare.rate, blocks[0::2]))
    result.facts[what + "time per token"] = throughput.text()
    result.facts[what + "ITL p99"] = itl.text()
    if not kit.double:
        result.at_most(what + "time per token, % more", 100 * most, 100 * throughput.median)
        result.at_most(what + "ITL p99, % more", 100 * (most + NOISE), 100 * itl.median)
    result.check(what + "losses", {}, other_losses(run))


def other_losses(run):
    """Losses but the gaps between blocks, which were asked for."""
    return {kind: n for kind, n in compare.losses(run.info()).items() if kind != "collection_gap"}


def dormant(kit, result):
    """Processes with a collector that was never armed against processes without one, by turns."""
    pairs, tails = [], []
    for n in range(2):
        without = kit.plain("dormant-without-{}".format(n), "blocks.py", "never", "eager", 3, kit.block_seconds)
        name = "dormant-with-{}".format(n)
        # Nothing is recorded, so no capture comes of it.
        with_it = kit.record(name, "blocks.py", "never", "eager", 3, kit.block_seconds, options=AT_ITS_OWN_MOMENT)
        off, on = without.truth["blocks"], with_it.truth["blocks"]
        pairs += [(compare.rate(b), compare.rate(a)) for a, b in zip(off, on)]
        tails += [(compare.percentile(a["itl_ns"], 99), compare.percentile(b["itl_ns"], 99)) for a, b in zip(off, on)]
        result.check("dormant: CUPTI callbacks", 0, with_it.truth["status"].get("callbacks"))
    cost, itl = compare.Cost(pairs), compare.Cost(tails)
    result.facts["dormant: time per token"] = cost.text()
    result.facts["dormant: ITL p99"] = itl.text()
    if not kit.double:
        result.at_most("dormant: time per token, % more", 100 * NOISE, 100 * cost.median)

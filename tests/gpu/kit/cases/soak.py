"""Thirty million records, node by node: each is in the capture or counted as lost."""

import compare

from .fidelity import AT_ITS_OWN_MOMENT

SECONDS = 120
NODES = 2000
# Time for opening the capture of all of it, which the recording must leave.
AFTERWARDS = 60


def run(kit, result):
    seconds = max(5, int(kit.limit(150) - AFTERWARDS))
    run = kit.record("soak", "soak.py", "node", NODES, kit.n_records, seconds, kinds="node",
                     options=AT_ITS_OWN_MOMENT, limit=seconds + AFTERWARDS)
    info, truth = run.info(), run.truth
    lost = compare.losses(info)
    found = info["graphs"]["kernels_with_graph_node_id"]
    result.at_least("kernels launched", min(kit.n_records, 30_000_000), truth["kernels"])
    result.check("in the capture or counted as lost", truth["kernels"], found + sum(lost.values()))
    result.check("losses", {}, lost)
    result.facts["kernels a second"] = truth["kernels"] / truth["seconds"]
    recorded_ns = 1e9 * truth["seconds"] / truth["kernels"]
    result.facts["a short kernel of a graph without and with recording, ns"] = [truth["plain_ns"], recorded_ns]
    result.facts["bytes a kernel on disk"] = run.bytes() / max(found, 1)
    result.facts["CPU of the writer, ns a record"] = truth["status"].get("writer_cpu_ns", 0) / max(found, 1)
    result.facts["99 of 100 callbacks below, ns"] = truth["status"].get("callback_p99_ns")
    result.facts["device memory that recording took, MiB"] = (truth["memory_at_most"] - truth["memory_at_start"]) >> 20

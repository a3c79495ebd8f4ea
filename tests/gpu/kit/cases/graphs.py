"""Replays of a CUDA graph as wholes and node by node, armed before its capture and after."""

import compare

from .fidelity import AT_ITS_OWN_MOMENT

SECONDS = 45
NODES, REPLAYS = 300, 200


def run(kit, result):
    for when in ("early", "late"):
        for kinds in ("lite", "node"):
            name = "graphs-{}-{}".format(kinds, when)
            run = kit.record(name, "graphs.py", kinds, when, NODES, REPLAYS, kinds=kinds, options=AT_ITS_OWN_MOMENT)
            info, truth, what = run.info(), run.truth, "{}, armed {}: ".format(kinds, when)
            if kinds == "lite":
                result.check(what + "graph launches", truth["replays"], info["graphs"]["graph_trace_rows"])
            else:
                kernels = info["graphs"]["kernels_with_graph_node_id"]
                result.check(what + "kernels of graphs", truth["replays"] * truth["nodes"], kernels)
                # Of a graph from before the recording nobody saw the capture.
                known = kernels if when == "early" else 0
                found = info["graphs"]["kernels_with_captured_node"]
                result.check(what + "kernels whose capture is known", known, found)
            result.check(what + "losses", {}, compare.losses(info))

"""Kernels on four streams with copies in both directions, each on its stream and none twice."""

import compare

from .fidelity import AT_ITS_OWN_MOMENT

SECONDS = 12


def run(kit, result):
    run = kit.record("streams", "streams.py", "lite", 4, 100, 40, options=AT_ITS_OWN_MOMENT)
    info, truth = run.info(), run.truth
    spins = [row for row in run.stats("kernels") if "spin" in row["name"]]
    result.check("kernels", truth["kernels"], sum(row["count"] for row in spins))
    devices = info["devices"].values()
    result.check("streams", truth["streams"], sum(len(device["streams"]) for device in devices))
    # Copy engines and SMs are stamped apart, which leaves some tens of nanoseconds.
    overlaps = [device["longest_same_stream_overlap_ns"] for device in devices]
    result.at_most("longest overlap on one stream, ns", 1000, max(overlaps, default=0))
    for key, kind in (("to_device", "HtoD"), ("to_host", "DtoH")):
        copies = info["memcpy"].get(kind, {"count": 0, "bytes": 0})
        expected = [truth[key], truth[key] * truth["copy_bytes"]]
        result.check(kind + " copies and their bytes", expected, [copies["count"], copies["bytes"]])
    result.check("losses", {}, compare.losses(info))

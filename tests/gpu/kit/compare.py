"""Comparisons that need no GPU: captures with profilers, runs with runs."""

import ctypes
import json
import statistics

# Losses that the ledger of a capture can tell of; a sound run has none of them.
LOSSES = ("buffer_starved", "record_dropped", "zero_timestamp", "inverted_timestamp", "unknown_record_kind",
          "malformed_event", "write_failed", "collection_gap", "profiler_takeover")


class Work:
    """GPU work by kernel name: how often, how long; and when the device was busy."""

    def __init__(self):
        self.kernels = {}
        self.busy_ns = 0
        self.n_copies = 0

    def add(self, name, count, total_ns):
        known = self.kernels.get(name, (0, 0))
        self.kernels[name] = (known[0] + count, known[1] + total_ns)

    @property
    def count(self):
        return sum(count for count, _ in self.kernels.values())

    @property
    def total_ns(self):
        return sum(total for _, total in self.kernels.values())


def of_capture(info, kernels):
    """From `underspan info` and `underspan stats --report kernels`, both as JSON."""
    work = Work()
    for row in kernels:
        work.add(demangled(row["name"]), row["count"], row["total_ns"])
    devices = info["devices"].values()
    work.busy_ns = sum(device["kernel_busy_union_ns"] for device in devices)
    work.n_copies = sum(device["memcpy_count"] for device in devices)
    return work


def of_profiler(path):
    """From a Chrome trace of torch.profiler. Reads it without underspan's importer, which would be
    compared with itself otherwise."""
    with open(path, encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    work = Work()
    stretches = []
    for event in events:
        category = event.get("cat")
        if event.get("ph") != "X" or category not in ("kernel", "gpu_memcpy"):
            continue
        if category == "gpu_memcpy":
            work.n_copies += 1
            continue
        start_ns, length_ns = round(1000 * float(event["ts"])), round(1000 * float(event["dur"]))
        work.add(event["name"], 1, length_ns)
        stretches.append((event["args"].get("device", 0), start_ns, start_ns + length_ns))
    work.busy_ns = union(stretches)
    return work


def union(stretches):
    """Time that (device, start, end) stretches cover on their devices."""
    total, device, until = 0, None, 0
    for on, start, end in sorted(stretches):
        if on != device:
            device, until = on, start
        total += max(0, end - max(start, until))
        until = max(until, end)
    return total


def demangled(name):
    """A kernel's name as torch.profiler writes it; CUPTI gives the mangled one."""
    if not name.startswith("_Z") or _library is None:
        return name
    status = ctypes.c_int()
    text = _library.__cxa_demangle(name.encode(), None, None, ctypes.byref(status))
    return ctypes.string_at(text).decode("utf-8", "replace") if status.value == 0 and text else name


def _load():
    try:
        library = ctypes.CDLL("libstdc++.so.6")
        library.__cxa_demangle.restype = ctypes.c_void_p
        return library
    except (OSError, AttributeError):
        return None


_library = _load()


def same_work(result, expected, found, tolerance=0.03, what=""):
    """Checks that two recordings tell of the same kernels, and times that agree."""
    what = what and what + ": "
    result.check(what + "kernels", expected.count, found.count)
    result.check(what + "copies", expected.n_copies, found.n_copies)
    names = sorted(set(expected.kernels) | set(found.kernels))
    zero = (0, 0)
    different = [n for n in names if expected.kernels.get(n, zero)[0] != found.kernels.get(n, zero)[0]]
    told = ["{:.80} {}→{}".format(n, expected.kernels.get(n, zero)[0], found.kernels.get(n, zero)[0])
            for n in different[:5]]
    result.check(what + "names with another count", [], told)
    result.near(what + "time of kernels, ns", expected.total_ns, found.total_ns, tolerance)
    result.near(what + "busy time, ns", expected.busy_ns, found.busy_ns, tolerance)


def losses(info):
    """What the ledger of a capture counts as lost, by kind."""
    counted = {}
    for problem in info["data_problems"]:
        if problem["kind"] in LOSSES:
            counted[problem["kind"]] = counted.get(problem["kind"], 0) + problem["count"]
    return counted


def percentile(values, percent):
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


class Cost:
    """What something costs, from pairs of blocks without and with it that follow each other."""

    def __init__(self, pairs):
        if not pairs:
            raise ValueError("no pairs")
        self.n = len(pairs)
        self.changes = [with_it / without - 1 for without, with_it in pairs]
        self.median = statistics.median(self.changes)

    @property
    def spread(self):
        """Smallest and largest change."""
        return min(self.changes), max(self.changes)

    def text(self):
        low, high = self.spread
        return "{:+.2f} % ({:+.2f} to {:+.2f}, {} pairs)".format(100 * self.median, 100 * low, 100 * high, self.n)


def throughput_cost(blocks):
    """Cost in tokens per second: blocks are {"armed": bool, "tokens": n, "seconds": s, "itl_ns": […]},
    one without recording followed by one with it, again and again."""
    return Cost([(rate(on), rate(off)) for off, on in pairs_of(blocks)])


def itl_cost(blocks, percent=99):
    """Cost in a percentile of the time between tokens."""
    pairs = pairs_of(blocks)
    return Cost([(percentile(off["itl_ns"], percent), percentile(on["itl_ns"], percent)) for off, on in pairs])


def rate(block):
    return block["tokens"] / block["seconds"]


def pairs_of(blocks):
    """Blocks as (without, with)."""
    pairs = list(zip(blocks[0::2], blocks[1::2]))
    for off, on in pairs:
        if off["armed"] or not on["armed"]:
            raise ValueError("blocks without and with recording do not alternate")
    return pairs

"""Rebuilds the batches of a run of run_triton.py from its traces, and compares them with who was in
each execution. Knows nothing of underspan: it shows that the traces allow it.

usage: check_triton.py FOLDER
"""

import collections
import glob
import json
import os
import sys

STAMPS = ("COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END")
# Each request puts its stamps on the wall clock by an offset of its own: the times between them
# stay, the offset is off by as long as a thread is interrupted between readings of two clocks.
OTEL_TOLERANCE_NS = 20_000_000


def executions(folder):
    """(model, members) of each execution, by the models."""
    found = collections.Counter()
    for path in glob.glob(os.path.join(folder, "executions.*.jsonl")):
        with open(path) as file:
            for line in file:
                facts = json.loads(line)
                found[facts["model"], tuple(sorted(facts["members"]))] += 1
    return found


def from_json(folder):
    """(model, request, stamps) of each traced computation of the JSON mode."""
    traces = collections.defaultdict(dict)
    for path in glob.glob(os.path.join(folder, "trace.json*")):
        with open(path) as file:
            for part in json.load(file):
                trace = traces[part["id"]]
                trace.update({k: part[k] for k in ("model_name", "request_id") if k in part})
                for stamp in part.get("timestamps", ()):
                    trace[stamp["name"]] = stamp["ns"]
    for trace in traces.values():
        if STAMPS[0] in trace:
            yield trace["model_name"], trace["request_id"], [trace[name] for name in STAMPS]


def from_otlp(folder):
    """The same of the OpenTelemetry mode: the request's id is on the model's span, the stamps are
    events of its child."""
    spans = {}
    with open(os.path.join(folder, "otlp.jsonl")) as file:
        for line in file:
            for resource in json.loads(line)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    spans.update({span["spanId"]: span for span in scope["spans"]})
    for span in spans.values():
        stamps = {event["name"]: int(event["timeUnixNano"]) for event in span.get("events", ())}
        if STAMPS[0] not in stamps:
            continue
        facts = {}
        while span is not None:
            for attribute in span.get("attributes", ()):
                facts.setdefault(attribute["key"], next(iter(attribute["value"].values())))
            span = spans.get(span.get("parentSpanId"))
        yield facts["triton.model_name"], facts["triton.request_id"], [stamps[n] for n in STAMPS]


def rebuild(computations, tolerance_ns):
    """Computations of one model with the same times between their stamps are one execution, when
    they began together."""
    groups = collections.defaultdict(list)
    for model, request, stamps in computations:
        between = tuple(stamp - stamps[0] for stamp in stamps)
        groups[model, between].append((stamps[0], request))
    found = collections.Counter()
    for (model, _), starts in groups.items():
        batch = []
        for start, request in sorted(starts) + [(None, "")]:
            if batch and (start is None or start - batch[0][0] > tolerance_ns):
                found[model, tuple(sorted(name for _, name in batch))] += 1
                batch = []
            batch.append((start, request))
    return found


def main():
    """Command line."""
    folder = sys.argv[1]
    truth = executions(folder)
    is_json = bool(glob.glob(os.path.join(folder, "trace.json*")))
    computations = list(from_json(folder) if is_json else from_otlp(folder))
    found = rebuild(computations, 0 if is_json else OTEL_TOLERANCE_NS)
    sizes = collections.Counter(len(members) for _, members in truth.elements())
    print(
        "{} of {} executions rebuilt exactly, {} too many; sizes {}".format(
            sum((truth & found).values()),
            sum(truth.values()),
            sum((found - truth).values()),
            " ".join("{}:{}".format(size, n) for size, n in sorted(sizes.items())),
        )
    )
    if truth != found or not truth:
        raise SystemExit("the batches differ: {}".format(list((truth - found).items())[:3]))


if __name__ == "__main__":
    main()

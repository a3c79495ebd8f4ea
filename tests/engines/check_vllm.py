"""Compares what the hook recorded in a run of run_vllm.py with vLLM's own log of its iterations and
with what the clients saw.

usage: check_vllm.py FOLDER
"""

import collections
import glob
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import hooklog

ITERATION = re.compile(
    r"Iteration\((\d+)\): (\d+) context requests, (\d+) context tokens, "
    r"(\d+) generation requests, (\d+) generation tokens"
)


def counts_by_the_engine(folder):
    """(context requests, tokens, generation requests, tokens) of each iteration line."""
    with open(os.path.join(folder, "server.log"), errors="replace") as file:
        return [tuple(map(int, match.groups()[1:])) for match in ITERATION.finditer(file.read())]


def counts_by_the_hook(steps):
    """The same from members. vLLM counts a request as context until it has produced a token, and
    as generation ever after, whatever it computes."""
    has_output = set()
    for step in steps:
        if step.flags & 16:
            continue
        context = [m for m in step.members if m[0] not in has_output]
        generation = [m for m in step.members if m[0] in has_output]
        for name, own, computed, _ in step.members:
            if computed + own >= step.prompts[name]:
                has_output.add(name)
        tokens = lambda members: sum(member[1] for member in members)
        yield len(context), tokens(context), len(generation), tokens(generation)


def main():
    """Command line."""
    folder = sys.argv[1]
    logs = [hooklog.HookLog(path) for path in glob.glob(os.path.join(folder, "*.uhook"))]
    (worker,) = [log for log in logs if log.steps]
    requests = {r["member"]: r for log in logs for r in log.requests if "member" in r}
    with open(os.path.join(folder, "client.jsonl")) as file:
        clients = [json.loads(line) for line in file]

    own, hook = counts_by_the_engine(folder), list(counts_by_the_hook(worker.steps))
    same = sum((collections.Counter(own) & collections.Counter(hook)).values())
    pairs = collections.defaultdict(list)
    for step in worker.steps:
        for name, tokens, computed, _ in step.members:
            pairs[name].append((tokens, computed))
    stopped = {name for step in worker.steps for name in step.preempted}
    problems = []
    joined = 0
    for client in clients:
        names = [n for n, r in requests.items() if r.get("x_request_id") == client["x_request_id"]]
        if len(names) != 1 or names[0] not in pairs:
            problems.append("{}: members {}".format(client["x_request_id"], names))
            continue
        request = requests[names[0]]
        joined += request.get("traceparent") == client["traceparent"]
        if not request["external"].startswith(client["response_id"]):
            problems.append("{} is not of {}".format(request["external"], client["response_id"]))
        usage = client["usage"]
        computed = sum(tokens for tokens, _ in pairs[names[0]])
        expected = usage["prompt_tokens"] + usage["completion_tokens"] - 1 - pairs[names[0]][0][1]
        if names[0] not in stopped and computed != expected:
            problems.append("{}: {} tokens, {} expected".format(names[0], computed, expected))
    finished = {name for step in worker.steps for name in step.finished}
    print(
        "{} iterations by vLLM, {} by the hook, {} the same; {} pairs of request and step; "
        "{}/{} requests joined to their callers; {} finished; {} preempted; {} steps without a "
        "forward pass; {} bytes per step".format(
            len(own), len(hook), same, sum(map(len, pairs.values())), joined, len(clients),
            len(finished), len(stopped), sum(1 for s in worker.steps if s.flags & 16),
            len(worker.data) // max(len(worker.steps), 1),
        )
    )
    for log in logs:
        problems += [json.dumps(n) for n in log.notes if n["event"] in ("disabled", "missing")]
        if log.torn_bytes or log.bad_frames:
            problems.append("{} torn bytes, {} bad frames".format(log.torn_bytes, log.bad_frames))
    if same != len(own) or same != len(hook) or joined != len(clients) or not clients:
        problems.append("the hook's record is not the engine's")
    if len(finished) != len(clients):
        problems.append("{} of {} requests finished".format(len(finished), len(clients)))
    if problems:
        raise SystemExit("\n".join(problems[:20]))


if __name__ == "__main__":
    main()

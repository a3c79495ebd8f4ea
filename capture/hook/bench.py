"""What the hook adds to a step of the stand-in engine, in microseconds.

usage: python3 capture/hook/bench.py [STEPS]

Each scheduler output is pickled and unpickled first, as between vLLM's processes, so that no string
is the same object twice. The two worker calls of a step are timed with the hook and without it, in
turns, on the same outputs; figures are of the hook's own part. The last column is the median over
that of a step without members, which a faster or slower machine does not change.
"""

import importlib
import os
import pickle
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STANDIN = os.path.join(HERE, "..", "..", "tests", "engines", "standin")


def outputs(n_members, n_steps, churn, tokens_each=1):
    """Pickled steps with `n_members` running; one leaves and one comes every `churn` steps."""
    from vllm.v1.core.sched.output import CachedRequestData, NewRequestData, SchedulerOutput

    names = ["cmpl-req-{:06d}-0-abcdef01".format(n) for n in range(n_members)]
    computed = dict.fromkeys(names, 500)
    finished, number = set(), n_members
    first = True
    for n in range(n_steps):
        new = []
        if churn and not first and n % churn == churn - 1:
            finished = {names.pop(0)}
            arrival = "cmpl-req-{:06d}-0-abcdef01".format(number)
            number += 1
            new = [NewRequestData(arrival, [0] * 300, 0)]
        if first:
            new, first = [NewRequestData(name, [0] * 500, 499) for name in names], False
        fresh = {request.req_id for request in new}
        cached = [name for name in names if name not in fresh]
        tokens = dict.fromkeys(cached, tokens_each)
        tokens.update((r.req_id, len(r.prompt_token_ids) - r.num_computed_tokens) for r in new)
        yield pickle.dumps(
            SchedulerOutput(
                new,
                CachedRequestData(cached, set(), [computed[r] for r in cached], [9] * len(cached)),
                tokens,
                sum(tokens.values()),
                {},
                finished,
                set(),
            )
        )
        for request in new:
            computed[request.req_id] = request.num_computed_tokens
        names = list(tokens)
        for name, count in tokens.items():
            computed[name] += count
        finished = set()


class _Plain:
    rank = 0

    def execute_model(self, scheduler_output):
        """Nothing."""
        return None

    def sample_tokens(self, grammar_output):
        """Nothing."""
        return "tokens"


def measure(n_members, n_steps, churn):
    """Hook time per step in ns, sorted, and bytes written per step."""
    patches = importlib.import_module("underspan_hook.vllm")
    recorder = importlib.import_module("underspan_hook.recorder")
    hooked_class = type("Hooked", (_Plain,), dict(vars(_Plain)))
    patches.require("vllm", hooked_class, "execute_model", patches._execute_model)
    patches.require("vllm", hooked_class, "sample_tokens", patches._sample_tokens)
    hooked, plain = hooked_class(), _Plain()
    spent, before = [], None
    for n, data in enumerate(outputs(n_members, n_steps, churn)):
        output = pickle.loads(data)
        times = []
        for worker in (plain, hooked):
            started = time.perf_counter_ns()
            worker.execute_model(output)
            worker.sample_tokens(None)
            times.append(time.perf_counter_ns() - started)
        if n == 20:
            before = recorder._sinks.file()._written
        if n >= 20:
            spent.append(times[1] - times[0])
    if recorder.is_disabled("vllm.steps"):
        raise SystemExit("the hook switched itself off")
    written = recorder._sinks.file()._written - before
    return sorted(spent), written / len(spent)


def main():
    """Prints the table."""
    n_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    folder = tempfile.mkdtemp(prefix="underspan-hook-bench-")
    os.environ["UNDERSPAN_HOOK_DIR"] = folder
    sys.path[:0] = [HERE, STANDIN]
    sys.dont_write_bytecode = True
    try:
        print("Python {}.{}.{}, file sink, times in us".format(*sys.version_info[:3]))
        print("{:>8} {:<26} {:>7} {:>7} {:>7} {:>7} {:>9} {:>7}".format(
            "running", "steps", "mean", "p50", "p99", "max", "bytes/step", "ratio"))
        changes = ((0, "unchanged"), (16, "one in 16 changes members"), (1, "every one changes members"))
        runs = [(0, 0, "without members")]
        runs += [(n_members, *change) for n_members in (1, 16, 64, 256, 1024) for change in changes]
        empty = None
        for n_members, churn, name in runs:
            spent, written = measure(n_members, n_steps, churn)
            empty = empty or spent[len(spent) // 2]
            at = lambda share: spent[min(int(len(spent) * share), len(spent) - 1)] / 1e3
            mean = sum(spent) / len(spent) / 1e3
            print("{:>8} {:<26} {:>7.1f} {:>7.1f} {:>7.1f} {:>7.1f} {:>9.1f} {:>7.2f}".format(
                n_members, name, mean, at(0.5), at(0.99), at(1.0), written, at(0.5) * 1e3 / empty))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

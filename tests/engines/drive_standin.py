"""Runs a stand-in engine with whatever is on PYTHONPATH and leaves its own log in a folder.

usage: drive_standin.py ENGINE FOLDER [SEED [REQUESTS [KEY=VALUE …]]]
"""

import json
import os
import sys


def drive_vllm(folder, seed, n_requests, options):
    """API server, scheduler and a worker process."""
    from vllm.v1.engine import core

    arrived = core.run(folder, seed, n_requests, **options)
    with open(os.path.join(folder, "arrived.json"), "w") as file:
        json.dump(arrived, file)


def drive_sglang(folder, seed, n_requests, options):
    """A scheduler process."""
    import multiprocessing

    from sglang.srt.managers.scheduler import run_scheduler_process

    context = multiprocessing.get_context(options.get("method", "spawn"))
    truth = os.path.join(folder, "truth.jsonl")
    process = context.Process(target=run_scheduler_process, args=(truth, seed, n_requests))
    process.start()
    process.join()


def drive_batching(folder, seed, n_requests, options):
    """transformers' continuous batching."""
    import random

    from transformers.generation.continuous_batching import continuous_api

    chance = random.Random(seed)
    truth = os.open(os.path.join(folder, "truth.jsonl"), os.O_WRONLY | os.O_CREAT, 0o644)
    manager = continuous_api.ContinuousBatchingManager(
        lambda facts: os.write(truth, (json.dumps(facts) + "\n").encode())
    )
    for n in range(n_requests):
        tokens = [0] * chance.randint(1, 200)
        manager.add_request(tokens, "req-{}".format(n), chance.randint(1, 30))
    manager.run()


def main():
    """Command line."""
    engine, folder = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    n_requests = int(sys.argv[4]) if len(sys.argv) > 4 else 40
    options = dict(pair.split("=", 1) for pair in sys.argv[5:])
    options = {key: int(v) if v.isdigit() else v for key, v in options.items()}
    drives = {"vllm": drive_vllm, "sglang": drive_sglang, "batching": drive_batching}
    drives[engine](folder, seed, n_requests, options)


if __name__ == "__main__":
    main()

"""A whole run: requests arrive, the scheduler makes steps, a worker process runs them."""

import asyncio
import multiprocessing
import os
import pickle
import random
import signal

from vllm.plugins import load_general_plugins


def run_worker(pipe, rank, truth, worker_class, ending):
    """The worker process: plug-ins first, engine modules after, and no exit handlers at the end."""
    load_general_plugins()
    from vllm.v1.worker import cpu_worker, gpu_worker

    cls = cpu_worker.CPUWorker if worker_class == "cpu" else gpu_worker.Worker
    worker = cls(rank, truth)
    while True:
        data = pipe.recv_bytes()
        if not data:
            break
        result = worker.execute_model(pickle.loads(data))
        if result is None:
            result = worker.sample_tokens(None)
        pipe.send_bytes(result.encode())
    if ending == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)


def run(folder, seed, n_requests, method="spawn", worker_class="gpu", ending="exit", **options):
    """Serves `n_requests` and returns the internal names in the order of their arrival."""
    load_general_plugins()
    from vllm.v1.core.sched.scheduler import Request, Scheduler
    from vllm.v1.engine.async_llm import AsyncLLM

    chance = random.Random(seed)
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    truth = os.path.join(folder, "truth.jsonl")
    arguments = (theirs, 0, truth, worker_class, ending)
    worker = context.Process(target=run_worker, args=arguments, name="VllmWorker-0")
    worker.start()
    scheduler = Scheduler(chance, **options)
    arrived = []

    def submit(name):
        arrived.append(name)
        scheduler.waiting.append(Request(name, chance.randint(1, 400), chance.randint(1, 60)))

    server = AsyncLLM(submit)
    loop = asyncio.new_event_loop()
    while len(arrived) < n_requests or scheduler.has_work():
        while len(arrived) < n_requests and chance.random() < 0.3:
            n = len(arrived)
            headers = {"traceparent": "00-{:032x}-{:016x}-{:02x}".format(n + 1, n + 7, n % 2)}
            name = "cmpl-req-{}-{:04d}-0".format(seed, n)
            loop.run_until_complete(
                server.add_request(name, "a secret prompt", {}, trace_headers=headers)
            )
            if chance.random() < 0.03:
                scheduler.abort(arrived[-1])
        output = scheduler.schedule()
        ours.send_bytes(pickle.dumps(output))
        ours.recv_bytes()
        scheduler.update(output)
    ours.send_bytes(b"")
    worker.join()
    loop.close()
    return arrived

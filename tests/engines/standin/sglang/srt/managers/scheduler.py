"""The scheduler: prefill batches interrupt the running decode batch and then join it."""

import json
import os
import random

from .schedule_batch import ForwardMode, Req, ScheduleBatch

CHUNK = 128


class Scheduler:
    """Runs batches in its own process and keeps its own log of them."""

    def __init__(self, truth, seed, n_requests):
        self.truth = os.open(truth, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.tp_rank = 0
        self.forward_ct = 0
        self.random = random.Random(seed)
        self.waiting = []
        self.running = []
        for n in range(n_requests):
            rid = "{:032x}".format(self.random.getrandbits(128))
            self.waiting.append(Req(rid, self.random.randint(1, 300), self.random.randint(1, 50)))

    def run_batch(self, batch, pp_proxy_tensors=None):
        """One forward pass."""
        self.forward_ct += 1
        own = batch.extend_lens or [1] * len(batch.reqs)
        before = batch.prefix_lens or [r.seqlen - 1 for r in batch.reqs]
        members = [[r.rid, n, c] for r, n, c in zip(batch.reqs, own, before)]
        facts = {"members": members, "mode": batch.forward_mode.name, "forward": self.forward_ct}
        os.write(self.truth, (json.dumps(facts) + "\n").encode())
        return "tokens"

    def event_loop(self):
        """Serves everything, then ends without exit handlers."""
        while self.waiting or self.running:
            if self.waiting and len(self.running) < 12 and self.random.random() < 0.4:
                self._prefill()
            elif self.running:
                self._decode()
        os._exit(0)

    def _prefill(self):
        count = self.random.randint(1, 3)
        reqs, own, before, done = [], [], [], []
        for req in self.waiting[:count]:
            n = min(req.seqlen - req.prefilled, CHUNK)
            reqs.append(req)
            own.append(n)
            before.append(req.prefilled)
            req.prefilled += n
            if req.prefilled == req.seqlen:
                done.append(req)
        mode = ForwardMode.EXTEND
        if self.running and self.random.random() < 0.2:
            mode = ForwardMode.MIXED
            reqs = reqs + self.running
            own += [1] * len(self.running)
            before += [r.seqlen - 1 for r in self.running]
            done = done + self.running
        self.run_batch(ScheduleBatch(reqs, mode, own, before))
        self._sampled(done)
        for req in done:
            if req in self.waiting:
                self.waiting.remove(req)
                if not req.finished():
                    self.running.append(req)
        self.running = [r for r in self.running if not r.finished()]

    def _decode(self):
        if len(self.running) > 4 and self.random.random() < 0.02:
            req = self.running.pop()
            req.retraction_count += 1
            req.prefilled = 0
            self.waiting.insert(0, req)
        self.run_batch(ScheduleBatch(list(self.running), ForwardMode.DECODE))
        self._sampled(self.running)
        self.running = [r for r in self.running if not r.finished()]

    def _sampled(self, reqs):
        for req in reqs:
            req.output_ids.append(0)
            if len(req.output_ids) >= req.n_output:
                req.finished_reason = "length"


def run_scheduler_process(truth, seed, n_requests):
    """The scheduler process."""
    from sglang.srt.plugins import load_plugins

    load_plugins()
    Scheduler(truth, seed, n_requests).event_loop()

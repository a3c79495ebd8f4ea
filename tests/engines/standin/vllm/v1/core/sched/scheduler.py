"""Continuous batching with chunked prefill, a prefix cache, preemption and draft tokens.

Tokens are counted, never made up: a request is a prompt length and an output length.
"""

from .output import CachedRequestData, NewRequestData, SchedulerOutput


class Request:
    """One request on its way through the engine."""

    def __init__(self, req_id, n_prompt, n_output):
        self.req_id = req_id
        self.n_prompt = n_prompt
        self.n_output = n_output
        self.output = 0
        self.computed = 0
        self.was_scheduled = False
        self.is_resumed = False
        self.drafts = 0

    @property
    def known(self):
        """Tokens that exist: prompt and output."""
        return self.n_prompt + self.output


class Scheduler:
    """Schedules steps. `second_runner` sends resumed requests as new ones."""

    def __init__(self, random, max_seqs=16, budget=256, blocks=64, drafts=0, second_runner=False):
        self.random = random
        self.max_seqs, self.budget, self.blocks = max_seqs, budget, blocks
        self.n_drafts, self.second_runner = drafts, second_runner
        self.waiting, self.running = [], []
        self.finished = set()
        self.preempted = set()

    def has_work(self):
        """Whether another step is needed, be it only to hand over finished ids."""
        return bool(self.waiting or self.running or self.finished)

    def _blocks_used(self):
        return sum(-(-(r.computed + r.drafts + 1) // 16) for r in self.running)

    def abort(self, req_id):
        """A client went away."""
        self.waiting = [r for r in self.waiting if r.req_id != req_id]
        self.running = [r for r in self.running if r.req_id != req_id]
        self.finished.add(req_id)

    def schedule(self):
        """The next step."""
        left = self.budget
        scheduled = {}
        running, resumed, new = [], [], []
        while self.running and self._blocks_used() > self.blocks and len(self.running) > 1:
            victim = self.running.pop()
            victim.computed, victim.is_resumed, victim.drafts = 0, True, 0
            self.waiting.insert(0, victim)
            self.preempted.add(victim.req_id)
        for request in self.running:
            drafts = self.n_drafts if request.output and request.computed + 1 == request.known else 0
            n = min(request.known - request.computed + drafts, left)
            if n <= 0:
                continue
            request.drafts = min(drafts, n - 1)
            scheduled[request.req_id] = n
            left -= n
            running.append(request)
        if not self.preempted:
            while self.waiting and left > 0 and len(self.running) < self.max_seqs:
                request = self.waiting[0]
                if not request.is_resumed and self.random.random() < 0.3:
                    request.computed = min(32, (request.n_prompt - 1) // 16 * 16)
                n = min(request.known - request.computed, left)
                if self._blocks_used() + -(-(request.computed + n) // 16) > self.blocks:
                    if self.running:
                        break
                self.waiting.pop(0)
                scheduled[request.req_id] = n
                left -= n
                self.running.append(request)
                (resumed if request.is_resumed else new).append(request)
        if self.second_runner:
            new, resumed = new + resumed, []
        cached = running + resumed
        output = SchedulerOutput(
            scheduled_new_reqs=[
                NewRequestData(
                    r.req_id,
                    [0] * (r.known if self.second_runner else r.n_prompt),
                    r.computed,
                    prefill_token_ids=[0] * r.known if self.second_runner else None,
                )
                for r in new
            ],
            scheduled_cached_reqs=CachedRequestData(
                [r.req_id for r in cached],
                {r.req_id for r in resumed},
                [r.computed for r in cached],
                [r.output for r in cached],
            ),
            num_scheduled_tokens=scheduled,
            total_num_scheduled_tokens=sum(scheduled.values()),
            scheduled_spec_decode_tokens={
                r.req_id: [0] * r.drafts for r in cached if r.drafts and r.req_id in scheduled
            },
            finished_req_ids=self.finished,
            preempted_req_ids=self.preempted,
        )
        self.finished, self.preempted = set(), set()
        return output

    def update(self, output):
        """What the step did."""
        for request in list(self.running):
            n = output.num_scheduled_tokens.get(request.req_id)
            if n is None:
                continue
            request.is_resumed = False
            request.computed += n
            rejected = self.random.randint(0, request.drafts) if request.drafts else 0
            request.computed -= rejected
            if request.computed >= request.known:
                request.output += 1 + request.drafts - rejected
            request.drafts = 0
            if request.output >= request.n_output:
                self.running.remove(request)
                self.finished.add(request.req_id)

"""The worker: its own log of every step is the truth that the hook is judged by."""

import json
import os
import time


class Worker:
    """Runs steps in its own process."""

    def __init__(self, rank, truth):
        self.rank = rank
        self.truth = os.open(truth, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.output_tokens = {}

    def _log(self, **facts):
        os.write(self.truth, (json.dumps(facts) + "\n").encode())

    def execute_model(self, scheduler_output):
        """One forward pass. `None` announces a call of `sample_tokens`."""
        out = scheduler_output
        cached = out.scheduled_cached_reqs
        computed = dict(zip(cached.req_ids, cached.num_computed_tokens))
        computed.update((r.req_id, r.num_computed_tokens) for r in out.scheduled_new_reqs)
        outputs = dict(zip(cached.req_ids, cached.num_output_tokens))
        self._log(
            members=[[r, n, computed[r]] for r, n in out.num_scheduled_tokens.items()],
            context=sorted(r for r in out.num_scheduled_tokens if not outputs.get(r)),
            resumed=sorted(cached.resumed_req_ids),
            preempted=sorted(out.preempted_req_ids or ()),
            finished=sorted(out.finished_req_ids),
            drafted={r: len(t) for r, t in out.scheduled_spec_decode_tokens.items()},
            monotonic_ns=time.monotonic_ns(),
        )
        if out.total_num_scheduled_tokens == 0:
            return "nothing"
        return None

    def sample_tokens(self, grammar_output):
        """Makes the tokens of the step that ran last."""
        return "tokens"

"""Continuous batching in one thread."""

import enum


class RequestStatus(enum.Enum):
    """Where a request is."""

    PENDING = 0
    PREFILLING = 1
    DECODING = 2
    FINISHED = 3


class RequestState:
    """One request."""

    def __init__(self, request_id, initial_tokens, n_output):
        self.request_id = request_id
        self.initial_tokens = initial_tokens
        self.n_output = n_output
        self.generated = 0
        self.position_offset = 0
        self.status = RequestStatus.PENDING


class FutureRequestState:
    """One member of a batch."""

    __slots__ = ("state", "query_length")

    def __init__(self, state, query_length):
        self.state = state
        self.query_length = query_length


class FIFOScheduler:
    """Decodes first, then prefills in chunks."""

    def __init__(self):
        self.active = []

    def schedule_batch(self, token_budget, cache_budget):
        """Members of the next batch."""
        batch = []
        for state in self.active:
            is_decoding = state.status == RequestStatus.DECODING
            left = 1 if is_decoding else len(state.initial_tokens) - state.position_offset
            n = min(left, token_budget)
            if n > 0:
                token_budget -= n
                batch.append(FutureRequestState(state, n))
        return batch, False, 0, 0


class ContinuousBatchProcessor:
    """Prepares and runs batches."""

    def __init__(self, scheduler, log):
        self.scheduler = scheduler
        self.log = log
        self.batch = []

    def prepare_next_batch(self):
        """Schedules a batch and moves its requests on."""
        self.batch, _, _, _ = self.scheduler.schedule_batch(64, 4096)
        if not self.batch:
            return False
        members = [[f.state.request_id, f.query_length, f.state.position_offset] for f in self.batch]
        self.log({"members": members})
        for future in self.batch:
            future.state.position_offset += future.query_length
        return True

    def _generation_step(self, model):
        for future in self.batch:
            state = future.state
            if state.position_offset >= len(state.initial_tokens):
                state.status = RequestStatus.DECODING
                state.generated += 1
                if state.generated >= state.n_output:
                    state.status = RequestStatus.FINISHED
            else:
                state.status = RequestStatus.PREFILLING
        active = self.scheduler.active
        active[:] = [s for s in active if s.status != RequestStatus.FINISHED]


class ContinuousBatchingManager:
    """Takes requests and runs the loop."""

    def __init__(self, log):
        self.scheduler = FIFOScheduler()
        self.processor = ContinuousBatchProcessor(self.scheduler, log)

    def add_request(self, input_ids, request_id=None, max_new_tokens=8):
        """Queues a request."""
        self.scheduler.active.append(RequestState(request_id, list(input_ids), max_new_tokens))
        return request_id

    def run(self):
        """Until nothing is left."""
        while self.processor.prepare_next_batch():
            self.processor._generation_step(None)

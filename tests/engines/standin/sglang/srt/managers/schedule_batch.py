"""Requests and batches in SGLang's shapes."""

import enum


class ForwardMode(enum.IntEnum):
    """What a batch does."""

    EXTEND = 1
    DECODE = 2
    MIXED = 3
    IDLE = 4

    def is_extend(self):
        """Whether prompts are processed."""
        return self in (ForwardMode.EXTEND, ForwardMode.MIXED)


class Tensor:
    """As much of a tensor as the hook reads."""

    def __init__(self, values):
        self.values = list(values)

    def tolist(self):
        """The values."""
        return list(self.values)


class Req:
    """One request."""

    def __init__(self, rid, n_prompt, n_output):
        self.rid = rid
        self.origin_input_ids = [0] * n_prompt
        self.output_ids = []
        self.n_output = n_output
        self.retraction_count = 0
        self.prefilled = 0
        self.finished_reason = None

    @property
    def seqlen(self):
        """Tokens that exist."""
        return len(self.origin_input_ids) + len(self.output_ids)

    def finished(self):
        """Whether it is done."""
        return self.finished_reason is not None


class ScheduleBatch:
    """The requests of one step."""

    def __init__(self, reqs, mode, extend_lens=None, prefix_lens=None):
        self.reqs = reqs
        self.forward_mode = mode
        self.extend_lens = extend_lens
        self.prefix_lens = prefix_lens
        self.spec_info = None
        self.seq_lens_cpu = Tensor(r.seqlen for r in reqs) if mode == ForwardMode.DECODE else None

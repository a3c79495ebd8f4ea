"""SGLang: `Scheduler.run_batch(batch)` in the scheduler processes,
`TokenizerManager._send_one_request(tokenized)` in the API server.

A prefill batch interrupts the running decode batch and then joins it, so the two kinds of batch
are two series, each with its own deltas.
"""

import sys
import weakref

from . import context, recorder, wire
from .members import Events
from .patching import require, wrap

_ENGINE = "sglang"
_STEPS = "sglang.steps"
_REQUESTS = "sglang.requests"


def patch_scheduler(module):
    """Wraps the scheduler's step."""
    require(_ENGINE, module.Scheduler, "run_batch", _run_batch)


def patch_tokenizer_manager(module):
    """Wraps the API server's way of handing a request to the scheduler."""
    require(_ENGINE, module.TokenizerManager, "_send_one_request", _send_one_request)
    wrap(_ENGINE, module.TokenizerManager, "_send_batch_request", _send_batch_request)


def _run_batch(original):
    def run_batch(self, *args, **kwargs):
        batch = args[0] if args else kwargs.get("batch")
        steps = _steps_of(self)
        step = steps.begin(self, batch) if steps is not None else None
        if step is None:
            return original(self, *args, **kwargs)
        try:
            result = original(self, *args, **kwargs)
        except BaseException:
            steps.end(step, True)
            raise
        steps.end(step, False)
        return result

    return run_batch


def _steps_of(scheduler):
    steps = getattr(scheduler, "_underspan_steps", None)
    if steps is None:
        try:
            steps = scheduler._underspan_steps = _Steps(scheduler)
        except Exception:
            recorder.disable(_STEPS, "scheduler")
            return None
    return steps


def _rank_of(scheduler):
    """The tensor parallel rank, where this version keeps it; `None` when it is not found."""
    try:
        rank = getattr(scheduler, "tp_rank", None)
        if rank is None:
            module = sys.modules[type(scheduler).__module__]
            rank = module.get_parallel().tp_rank
        return rank if isinstance(rank, int) else None
    except Exception:
        return None


class _Steps:
    """The steps of one scheduler. No method but the constructor raises."""

    def __init__(self, scheduler):
        self._prefill, self._decode = _Batches(), _Batches()
        self._prefill.decode, self._decode.prefill = self._decode, self._prefill
        rank = _rank_of(scheduler)
        if rank is not None:
            recorder.note("rank", rank=rank)

    def begin(self, scheduler, batch):
        """Starts the step of a batch."""
        if self._decode.series.is_off():
            return None
        try:
            mode = batch.forward_mode.name
            batches = self._decode if mode in ("DECODE", "TARGET_VERIFY") else self._prefill
            reqs = batch.reqs
            flags = _MODES.get(mode, wire.MODE_UNKNOWN)
            if not reqs:
                flags |= wire.STEP_EMPTY
            if mode == "TARGET_VERIFY" or getattr(batch, "spec_info", None) is not None:
                flags |= wire.STEP_SPECULATIVE
            # `run_batch` counts before it runs the batch.
            forward = getattr(scheduler, "forward_ct", None)
            forward = forward + 1 if isinstance(forward, int) else None
            return batches.series.begin(
                len(reqs),
                flags,
                lambda: batches.delta(batch, mode, forward),
                lambda: batches.observe(batch),
            )
        except Exception:
            self._decode.series.fail("run_batch")
            return None

    def end(self, step, failed):
        """Ends a step."""
        try:
            self._decode.series.end(step, failed)
        except Exception:
            self._decode.series.fail("run_batch")


_MODES = {
    "EXTEND": wire.MODE_PREFILL,
    "SPLIT_PREFILL": wire.MODE_PREFILL,
    "DLLM_EXTEND": wire.MODE_PREFILL,
    "DECODE": wire.MODE_DECODE,
    "TARGET_VERIFY": wire.MODE_DECODE,
    "MIXED": wire.MODE_MIXED,
}


class _Batches:
    """The batches of one kind."""

    def __init__(self):
        self.series = recorder.StepSeries(_STEPS)
        # The batches of the other kind. What becomes of a request is told by those that decode it.
        self.decode = self.prefill = None
        self._reqs = {}
        self._left = set()
        self._was_plain_decode = False

    def delta(self, batch, mode, forward):
        """The delta of the step that runs `batch`."""
        encoder, reqs = self.series.encoder, batch.reqs
        order = [req.rid for req in reqs]
        is_plain_decode = mode == "DECODE" and getattr(batch, "spec_info", None) is None
        lengths = getattr(batch, "seq_lens_cpu", None) if is_plain_decode else None
        if lengths is not None:
            lengths = lengths.tolist()
            if self._was_plain_decode:
                delta = encoder.steady_by_length(order, lengths)
                if delta is not None:
                    return delta
        events = Events()
        events.engine_step = forward
        if not reqs:
            return encoder.encode_empty(events)
        tokens, computed = _tokens(batch, order, lengths)
        self._note_changes(events, order, reqs)
        self._was_plain_decode = lengths is not None
        return encoder.encode(order, tokens, computed, events)

    def observe(self, batch):
        """Keeps what later steps need to know while nothing is recorded."""
        events = Events()
        self._note_changes(events, [req.rid for req in batch.reqs], batch.reqs)
        self.series.encoder.observe(events)

    def has_had(self, rid):
        """Whether a request is or was in one of these batches while the other kind held it."""
        was = rid in self._left
        self._left.discard(rid)
        return was or rid in self._reqs

    def _note_changes(self, events, order, reqs):
        """Who came, went and why. Requests are held weakly: they are the engine's to free."""
        present = set(order)
        finished, preempted, forgotten = [], [], []
        for rid in [rid for rid in self._reqs if rid not in present]:
            reference, retractions = self._reqs.pop(rid)
            req = reference()
            if self.prefill is not None and rid in self.prefill._reqs:
                self._left.add(rid)
            if self.decode is not None and self.decode.has_had(rid):
                forgotten.append(rid)
            elif req is None or req.finished():
                finished.append(rid)
            elif getattr(req, "retraction_count", 0) != retractions:
                preempted.append(rid)
            else:
                forgotten.append(rid)
        for req in reqs:
            if req.rid not in self._reqs:
                retractions = getattr(req, "retraction_count", 0)
                self._reqs[req.rid] = (weakref.ref(req), retractions)
                events.new[req.rid] = len(req.origin_input_ids)
                if retractions and not self.series.encoder.knows(req.rid):
                    # It decodes again when all but its last token are computed anew.
                    known = len(req.origin_input_ids) + len(req.output_ids)
                    events.resumed[req.rid] = max(known - 1, 0)
        events.finished, events.preempted, events.forgotten = finished, preempted, forgotten


def _tokens(batch, order, lengths):
    """Own tokens by id, and computed tokens in order."""
    if lengths is not None:
        return dict.fromkeys(order, 1), [length - 1 for length in lengths]
    reqs = batch.reqs
    own = getattr(batch, "extend_lens", None)
    before = getattr(batch, "prefix_lens", None)
    is_extend = batch.forward_mode.is_extend()
    if is_extend and own and before and len(own) == len(before) == len(order):
        return dict(zip(order, map(int, own))), list(map(int, before))
    return dict.fromkeys(order, 1), [max(req.seqlen - 1, 0) for req in reqs]


def _send_one_request(original):
    async def _send_one_request(self, tokenized, *args, **kwargs):
        _note_request(tokenized)
        return await original(self, tokenized, *args, **kwargs)

    return _send_one_request


def _send_batch_request(original):
    def _send_batch_request(self, tokenized, *args, **kwargs):
        for one in tokenized if isinstance(tokenized, list) else ():
            _note_request(one)
        return original(self, tokenized, *args, **kwargs)

    return _send_batch_request


def _note_request(tokenized):
    if recorder.is_disabled(_REQUESTS):
        return
    try:
        rid = tokenized.rid
        recorder.request(wire.SOURCE_SGLANG, context.fields(rid, rid))
    except Exception:
        recorder.disable(_REQUESTS, "send_request")

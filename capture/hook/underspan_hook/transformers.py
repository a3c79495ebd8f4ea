"""Hugging Face transformers, continuous batching: `ContinuousBatchProcessor._generation_step` and
`ContinuousBatchingManager.add_request`."""

import functools
import weakref

from . import context, recorder, wire
from .members import Events
from .patching import require, wrap

_ENGINE = "transformers"
_BATCHING = "transformers.continuous_batching"
_REQUESTS = "transformers.requests"


def patch_continuous_batching(module):
    """Wraps the processor's step and the way requests come in."""
    processor = module.ContinuousBatchProcessor
    require(_ENGINE, processor, "prepare_next_batch", _prepare_next_batch)
    require(_ENGINE, processor, "_generation_step", _generation_step)
    wrap(_ENGINE, module.ContinuousBatchingManager, "add_request", _add_request)


def _prepare_next_batch(original):
    def prepare_next_batch(self, *args, **kwargs):
        steps = _steps_of(self)
        result = original(self, *args, **kwargs)
        if steps is not None and result:
            steps.prepared()
        return result

    return prepare_next_batch


def _generation_step(original):
    def _generation_step(self, *args, **kwargs):
        steps = getattr(self, "_underspan_steps", None)
        step = steps.begin() if steps is not None else None
        if step is None:
            return original(self, *args, **kwargs)
        try:
            result = original(self, *args, **kwargs)
        except BaseException:
            steps.end(step, True)
            raise
        steps.end(step, False)
        return result

    return _generation_step


def _steps_of(processor):
    steps = getattr(processor, "_underspan_steps", None)
    if steps is None:
        try:
            steps = processor._underspan_steps = _BatchingSteps(processor.scheduler)
        except Exception:
            recorder.disable(_BATCHING, "processor")
            return None
    return steps


class _BatchingSteps:
    """The steps of one continuous batching processor. No method but the constructor raises."""

    def __init__(self, scheduler):
        self._series = recorder.StepSeries(_BATCHING)
        self._scheduled = None
        self._prepared = []
        self._states = {}
        schedule_batch = scheduler.schedule_batch

        @functools.wraps(schedule_batch)
        def observed(*args, **kwargs):
            result = schedule_batch(*args, **kwargs)
            self._schedule(result)
            return result

        scheduler.schedule_batch = observed

    def _schedule(self, result):
        """Keeps what a batch is made of, before the processor moves its requests on."""
        if self._series.is_off():
            return
        try:
            batch = result[0] if isinstance(result, tuple) else result
            self._scheduled = [
                (
                    future.state.request_id,
                    future.query_length,
                    future.state.position_offset,
                    len(future.state.initial_tokens),
                    future.state,
                )
                for future in batch or ()
            ]
        except Exception:
            self._series.fail("schedule_batch")

    def prepared(self):
        """The batch scheduled last will be run."""
        if self._scheduled:
            # Asynchronous batching prepares one batch while another runs, never more.
            self._prepared = self._prepared[-3:] + [self._scheduled]
        self._scheduled = None

    def begin(self):
        """Starts the step of the batch prepared first."""
        if self._series.is_off() or not self._prepared:
            return None
        try:
            batch = self._prepared.pop(0)
            return self._series.begin(
                len(batch), 0, lambda: self._delta(batch), lambda: self._observe(batch)
            )
        except Exception:
            self._series.fail("_generation_step")
            return None

    def end(self, step, failed):
        """Ends a step."""
        try:
            self._series.end(step, failed)
        except Exception:
            self._series.fail("_generation_step")

    def _delta(self, batch):
        order = [member[0] for member in batch]
        tokens = {member[0]: member[1] for member in batch}
        computed = [member[2] for member in batch]
        delta = self._series.encoder.steady(order, tokens, computed)
        if delta is None:
            delta = self._series.encoder.encode(order, tokens, computed, self._changes(batch))
        return delta

    def _observe(self, batch):
        self._series.encoder.observe(self._changes(batch))

    def _changes(self, batch):
        events = Events()
        present = {member[0] for member in batch}
        finished, preempted = [], []
        for request in [request for request in self._states if request not in present]:
            state = self._states[request]()
            status = getattr(getattr(state, "status", None), "name", "FINISHED")
            if status in ("FINISHED", "FAILED"):
                finished.append(request)
                del self._states[request]
            elif status == "PENDING" and self._series.encoder.knows(request):
                preempted.append(request)
                del self._states[request]
        for request, _, _, prompt, state in batch:
            if request not in self._states:
                self._states[request] = weakref.ref(state)
                if self._series.encoder.knows(request):
                    events.resumed[request] = None
                else:
                    events.new[request] = prompt
        events.finished, events.preempted = finished, preempted
        return events


def _add_request(original):
    def add_request(self, *args, **kwargs):
        request_id = original(self, *args, **kwargs)
        if isinstance(request_id, str) and not recorder.is_disabled(_REQUESTS):
            try:
                fields = context.fields(request_id, request_id)
                recorder.request(wire.SOURCE_TRANSFORMERS, fields)
            except Exception:
                recorder.disable(_REQUESTS, "add_request")
        return request_id

    return add_request

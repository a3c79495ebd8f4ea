"""Hugging Face transformers, plain `generate`.

`generate` knows no requests. Its rows are recorded as one member, named after the HTTP request it
runs for when there is one, otherwise `generate-N`; each forward pass is a step.
"""

import itertools
import threading

from . import context, recorder, wire
from .members import Events
from .patching import missing, require, wrap

_ENGINE = "transformers"
_GENERATE = "transformers.generate"
_numbers = itertools.count()
_running = threading.local()


def patch_generate(module):
    """Wraps `generate` and what it calls before and after each forward pass."""
    mixin = getattr(module, "GenerationMixin", None)
    if mixin is None or not hasattr(mixin, "_update_model_kwargs_for_generation"):
        missing(_ENGINE, "GenerationMixin")
        return
    require(_ENGINE, mixin, "generate", _generate)
    require(_ENGINE, mixin, "prepare_inputs_for_generation", _prepare_inputs)
    require(_ENGINE, mixin, "_update_model_kwargs_for_generation", _update_kwargs)


def _generate(original):
    def generate(self, *args, **kwargs):
        call = _enter_generate(self)
        if call is None:
            return original(self, *args, **kwargs)
        try:
            return original(self, *args, **kwargs)
        finally:
            _leave_generate(call)

    return generate


def _prepare_inputs(original):
    def prepare_inputs_for_generation(self, *args, **kwargs):
        call = _call_of(self)
        if call is None or call.is_preparing:
            return original(self, *args, **kwargs)
        call.is_preparing = True
        try:
            inputs = original(self, *args, **kwargs)
        finally:
            call.is_preparing = False
        call.begin(inputs)
        return inputs

    return prepare_inputs_for_generation


def _update_kwargs(original):
    def _update_model_kwargs_for_generation(self, *args, **kwargs):
        call = _call_of(self)
        if call is not None:
            call.end()
        return original(self, *args, **kwargs)

    return _update_model_kwargs_for_generation


def _call_of(model):
    """The innermost `generate` of this thread, if it is this model's."""
    calls = getattr(_running, "calls", None)
    return calls[-1] if calls and calls[-1].model is model else None


def _enter_generate(model):
    if recorder.is_disabled(_GENERATE):
        return None
    try:
        _patch_overrides(type(model))
        calls = _running.__dict__.setdefault("calls", [])
        call = _GenerateCall(model)
        calls.append(call)
        return call
    except Exception:
        recorder.disable(_GENERATE, "generate")
        return None


def _leave_generate(call):
    try:
        call.end()
        calls = _running.calls
        while calls and calls.pop() is not call:
            pass
        call.finish()
    except Exception:
        recorder.disable(_GENERATE, "generate")


def _patch_overrides(model_class):
    """Wraps a model's own versions of the two methods, once per class."""
    if "__underspan_seen__" in model_class.__dict__:
        return
    model_class.__underspan_seen__ = True
    for base in model_class.__mro__:
        wrap(_ENGINE, base, "prepare_inputs_for_generation", _prepare_inputs)
        wrap(_ENGINE, base, "_update_model_kwargs_for_generation", _update_kwargs)


class _GenerateCall:
    """One call of `generate`: its forward passes are steps with one member."""

    def __init__(self, model):
        self.model = model
        self.is_preparing = False
        self._series = _series_of_thread()
        self._step = None
        self._computed = 0
        self._name = None

    def begin(self, inputs):
        """A forward pass over `inputs` comes next."""
        self.end()
        if self._series.is_off():
            return
        try:
            rows, length = _shape_of(inputs)
            n_tokens = rows * length
            if self._name is None:
                self._computed = rows * _cached_by(inputs)
                self._name = self._introduce()
            tokens = {self._name: n_tokens}
            self._step = self._series.begin(
                1, 0, lambda: self._delta(tokens), lambda: self._series.encoder.observe(Events())
            )
            self._computed += n_tokens
        except Exception:
            self._series.fail("generate")

    def _introduce(self):
        served = context.current()
        name = served and (served.x_request_id or served.traceparent)
        name = "{}-{}".format(name or "generate", next(_numbers))
        recorder.request(wire.SOURCE_TRANSFORMERS, context.fields(name, name))
        return name

    def _delta(self, tokens):
        encoder, order, computed = self._series.encoder, [self._name], [self._computed]
        delta = encoder.steady(order, tokens, computed)
        if delta is None:
            events = Events()
            if not encoder.knows(self._name):
                events.new[self._name] = self._computed + tokens[self._name]
            delta = encoder.encode(order, tokens, computed, events)
        return delta

    def end(self):
        """The forward pass has been issued."""
        step, self._step = self._step, None
        if step is None:
            return
        try:
            self._series.end(step)
        except Exception:
            self._series.fail("generate")

    def finish(self):
        """The call is over: says so with a step that computes nothing."""
        if self._name is None or self._series.is_off():
            return
        events = Events()
        events.finished = [self._name]
        series = self._series
        step = series.begin(
            0,
            wire.STEP_EMPTY,
            lambda: series.encoder.encode_empty(events),
            lambda: series.encoder.observe(events),
        )
        series.end(step)


def _series_of_thread():
    """Calls on one thread follow or enclose each other, never interleave within a step."""
    series = getattr(_running, "series", None)
    if series is None:
        series = _running.series = recorder.StepSeries(_GENERATE)
    return series


def _shape_of(inputs):
    """Rows and tokens per row of a forward pass."""
    for name in ("input_ids", "inputs_embeds", "decoder_input_ids"):
        value = inputs.get(name)
        if value is not None:
            return int(value.shape[0]), int(value.shape[1])
    return 0, 0


def _cached_by(inputs):
    """Tokens per row that the cache holds before the first pass. A cache that keeps this number on
    the device is not asked: reading it would wait for the device."""
    cache = inputs.get("past_key_values")
    length = cache.get_seq_length() if hasattr(cache, "get_seq_length") else 0
    return length if isinstance(length, int) else 0

"""Steps and requests of this process, from the engine modules to the sinks.

Nothing here raises into an engine: the first error ends what it concerns, and the record says so.
"""

import itertools
import json
import os
import sys
import time

from . import sink, wire
from .members import BatchEncoder

_sinks = sink.Sinks()
_step_ids = itertools.count()
_series = itertools.count()
_generation = 0
_disabled = set()


class Step:
    """A step that is running."""

    __slots__ = ("step_id", "n_members", "flags", "collector", "end_ns", "sampling_since_ns")

    def __init__(self, step_id, n_members, flags, collector):
        self.step_id = step_id
        self.n_members = n_members
        self.flags = flags
        self.collector = collector
        self.end_ns = None
        self.sampling_since_ns = None


class StepSeries:
    """The steps of one engine instance, which follow each other on one thread."""

    def __init__(self, part):
        self._part = part
        self.encoder = BatchEncoder(next(_series))
        self._generation = _generation
        self._sink = None

    def is_off(self):
        """Whether an error ended this part of the hook."""
        return self._part in _disabled

    def begin(self, n_members, flags, delta_of, observe=None):
        """Starts a step. `delta_of` makes its delta; `observe` is called instead when nothing is
        recorded. `None` when it was not recorded."""
        if self._generation != _generation:
            self._generation = _generation
            self.encoder.forget_all()
        collector = _sinks.collector()
        if collector is not self._sink:
            # The other sink has seen nothing of this series yet.
            self._sink = collector
            self.encoder.want_keyframe()
        step_id = next(_step_ids)
        if collector is None:
            delta = delta_of()
            _sinks.file().step_begin(step_id, n_members, flags, delta)
        else:
            answer = collector.step_begin(step_id, n_members, flags)
            if answer != sink.OK:
                self.encoder.want_keyframe()
            if answer == sink.NOT_RECORDING:
                if observe is not None:
                    observe()
            elif collector.members(delta_of()) != sink.OK:
                self.encoder.want_keyframe()
        return Step(step_id, n_members, flags, collector)

    def end(self, step, failed=False):
        """Ends a step, with or without its sampling."""
        is_sampled = step.sampling_since_ns is not None
        if step.collector is not None:
            if step.end_ns is None or is_sampled:
                step.collector.step_end(step.step_id)
            return
        now = time.monotonic_ns()
        end_ns = now if step.end_ns is None else step.end_ns
        sampled = (step.sampling_since_ns, now) if is_sampled else None
        flags = wire.END_FAILED if failed else 0
        _sinks.file().step_end(step.step_id, flags, end_ns, sampled)

    def forward_done(self, step):
        """The forward pass returned; sampling comes as a call of its own."""
        if step.collector is not None:
            step.collector.step_end(step.step_id)
        step.end_ns = time.monotonic_ns()

    def sampling(self, step):
        """Sampling starts."""
        if step.collector is not None:
            flags = step.flags | wire.STEP_CONTINUES
            step.collector.step_begin(step.step_id, step.n_members, flags)
        step.sampling_since_ns = time.monotonic_ns()

    def fail(self, where):
        """Ends this part of the hook after an error in it."""
        disable(self._part, where)


def request(source, fields):
    """Records by which names a request is known."""
    _sinks.request(wire.request_record(source, time.time_ns(), time.monotonic_ns(), fields))


def note(event, **facts):
    """Writes a note. Never raises."""
    try:
        _sinks.note(json.dumps(dict(event=event, **facts), separators=(",", ":")))
    except Exception:
        pass


def disable(part, where):
    """Deals with the error that is being handled: goes on with the file when the collector failed,
    switches this part of the hook off otherwise. Never raises."""
    try:
        error = sys.exc_info()[1]
        if isinstance(error, sink.SinkError) and _sinks.collector() is not None:
            try:
                _sinks.drop_collector(error)
                return
            except Exception as file_error:
                error = file_error
        if part in _disabled:
            return
        _disabled.add(part)
        facts = {"part": part, "where": where, "error": type(error).__name__}
        facts["message"] = str(error)[:200]
        facts["at"] = _place(error)
        try:
            _sinks.note(json.dumps(dict(event="disabled", **facts), separators=(",", ":")))
        except Exception:
            # The record itself is what failed.
            sys.stderr.write("underspan: {} is not recorded any more: {}\n".format(part, error))
    except Exception:
        pass


def is_disabled(part):
    """Whether an error ended this part of the hook."""
    return part in _disabled


def _place(error):
    """Where in the hook the error arose: file and line, no path."""
    trace, place = getattr(error, "__traceback__", None), ""
    while trace is not None:
        name = os.path.basename(trace.tb_frame.f_code.co_filename)
        place = "{}:{}".format(name, trace.tb_lineno)
        trace = trace.tb_next
    return place


def _after_fork():
    global _generation, _step_ids
    _generation += 1
    _step_ids = itertools.count()
    _sinks.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

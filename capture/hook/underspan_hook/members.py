"""Delta encoding of who is in a step.

A step usually has the members of the step before, each further by the tokens it had. Such a step
costs two comparisons and one sum, whatever its size, and is written as an empty delta.
"""

import sys
from array import array
from operator import sub

from . import wire

# A full description now and then bounds what damage to the file can cost.
STEPS_PER_KEYFRAME = 4096
# Requests that never end, as far as the engine says, are forgotten beyond this number.
KNOWN_LIMIT = 65536
# When one in so many members differs, the values of all are written in one go.
ALL_FROM = 8


class Events:
    """What happened to requests since the step before, besides being scheduled."""

    __slots__ = ("new", "resumed", "preempted", "finished", "forgotten", "drafted", "engine_step")

    def __init__(self):
        self.new = {}  # request id -> tokens of its prompt, 0 when unknown
        self.resumed = {}  # request id -> tokens it had computed when it was stopped, or None
        self.preempted = ()
        self.finished = ()
        self.forgotten = ()
        self.drafted = {}  # request id -> draft tokens among its own
        self.engine_step = None


class _Known:
    """What is remembered of a request."""

    __slots__ = ("handle", "prompt", "target", "reached")

    def __init__(self, prompt):
        self.handle = 0
        self.prompt = prompt
        self.target = prompt
        self.reached = 0


class BatchEncoder:
    """Encodes the steps of one series, in order. Not for several threads at once."""

    def __init__(self, series):
        number = wire.varint(series)
        self._head = bytes((wire.DELTA_VERSION, 0)) + number
        self._keyframe_head = bytes((wire.DELTA_VERSION, wire.DELTA_KEYFRAME)) + number
        self._known = {}
        self.forget_all()

    def forget_all(self):
        """Back to the beginning, as in a forked child."""
        self._known.clear()
        self._next_handle = 1
        self._until_keyframe = 0
        self._drafted = {}
        self._set_batch([], {}, [], [])

    def want_keyframe(self):
        """Makes the next step describe everything anew."""
        self._until_keyframe = 0

    def knows(self, request):
        """Whether the request was seen before and has not ended."""
        return request in self._known

    def steady(self, order, tokens, computed):
        """The delta of a step with the members and own tokens of the step before, each further by
        those tokens; `None` when it is no such step. The caller knows that nothing else happened.
        """
        if self._until_keyframe <= 0 or order != self.order or tokens != self.tokens:
            return None
        return self._advance(_lanes_of(computed))

    def steady_by_length(self, order, lengths):
        """As `steady`, for an engine that gives lengths that include the step's own tokens and
        whose own tokens are known to be those of the step before."""
        if self._until_keyframe <= 0 or order != self.order:
            return None
        return self._advance(_lanes_of(lengths) - self._token_lanes)

    def observe(self, events):
        """Keeps what later steps need to know while nothing is recorded."""
        for request, prompt in events.new.items():
            self._known.setdefault(request, _Known(prompt))
        for request in events.finished:
            self._known.pop(request, None)
        self._bound_memory()

    def encode(self, order, tokens, computed, events):
        """The delta of any step. `computed` goes with `order`."""
        if len(order) != len(tokens):
            raise ValueError("members and their tokens do not match")
        keyframe = self._until_keyframe <= 0
        # Where each member should be by now.
        expected = _values_of(self._lanes + self._token_lanes, len(self.order))
        gone = self._gone(order, tokens, events)
        if gone:
            self._remember_reached(gone, expected)
        for request, prompt in events.new.items():
            self._known.setdefault(request, _Known(prompt))

        definitions = bytearray()
        changes = bytearray()
        if keyframe:
            self._start_over()
            stayed, expected, was_own = [], [], []
        else:
            stayed, was_own = self.order, self._own
            if gone:
                stayed, was_own = stayed[:], was_own[:]
                for at in reversed(gone):
                    del stayed[at], expected[at], was_own[at]
                changes += _list_operation(wire.OP_LEAVE, gone)
        if list(tokens) == order:
            own = list(tokens.values())
        else:
            own = list(map(tokens.__getitem__, order))
        self._join_and_order(changes, definitions, order, own, computed, stayed, expected, was_own)
        self._events(changes, definitions, order, events)
        self._set_batch(order, tokens, own, computed)
        head = self._keyframe_head if keyframe else self._head
        self._until_keyframe = (STEPS_PER_KEYFRAME if keyframe else self._until_keyframe) - 1
        self._bound_memory()
        return bytes(head + definitions + changes)

    def _gone(self, order, tokens, events):
        """Places of the members that are not in the step any more."""
        was = self.order
        # Those that ended or were stopped, when they explain the whole difference.
        if len(events.finished) + len(events.preempted) <= 16:
            told = {r for r in (*events.finished, *events.preempted) if r in self.tokens}
            places = sorted(map(was.index, told))
            stayed = was[:]
            for at in reversed(places):
                del stayed[at]
            if order[: len(stayed)] == stayed and not any(r in tokens for r in told):
                return places
        missing = self.tokens.keys() - tokens.keys()
        return [at for at, request in enumerate(was) if request in missing] if missing else []

    def encode_empty(self, events):
        """The delta of a step without a forward pass: the batch stays as it is."""
        keyframe = self._until_keyframe <= 0
        definitions = bytearray()
        changes = bytearray()
        if keyframe:
            reached = _values_of(self._lanes + self._token_lanes, len(self.order))
            self._remember_reached(range(len(reached)), reached)
            self._start_over()
            self._set_batch([], {}, [], [])
            self._until_keyframe = STEPS_PER_KEYFRAME
        self._events(changes, definitions, self.order, events)
        self._until_keyframe -= 1
        head = self._keyframe_head if keyframe else self._head
        return bytes(head + definitions + changes)

    def _join_and_order(
        self, changes, definitions, order, own, computed, stayed, expected, was_own
    ):
        if stayed != order:
            if order[: len(stayed)] == stayed:
                joined = range(len(stayed), len(order))
            else:
                before = set(stayed)
                joined = [at for at, request in enumerate(order) if request not in before]
            body = bytearray(wire.varint(len(joined)))
            for at in joined:
                body += wire.varint(self._handle(order[at], definitions))
                body += wire.varint(own[at])
                body += wire.varint(computed[at])
            if joined:
                changes += wire.operation(wire.OP_JOIN, body)
            stayed = stayed + [order[at] for at in joined]
            expected = expected + [computed[at] for at in joined]
            was_own = was_own + [own[at] for at in joined]
            if stayed != order:
                place = {request: at for at, request in enumerate(stayed)}
                places = list(map(place.__getitem__, order))
                changes += _list_operation(wire.OP_ORDER, places)
                expected = [expected[at] for at in places]
                was_own = [was_own[at] for at in places]
        if own != was_own:
            differing = [at for at, n in enumerate(own) if n != was_own[at]]
            if len(differing) * ALL_FROM >= len(own):
                changes += wire.operation(wire.OP_TOKENS_ALL, _packed("I", own))
            else:
                changes += _pair_operation(wire.OP_TOKENS, differing, own)
        if computed != expected:
            differing = [at for at, n in enumerate(computed) if n != expected[at]]
            if len(differing) * ALL_FROM >= len(own):
                difference = list(map(sub, computed, expected))
                changes += wire.operation(wire.OP_COMPUTED_ALL, _packed("i", difference))
            else:
                changes += _pair_operation(wire.OP_COMPUTED, differing, computed)

    def _events(self, changes, definitions, order, events):
        if events.drafted != self._drafted:
            place = {request: at for at, request in enumerate(order)}
            pairs = [(place[r], n) for r, n in events.drafted.items() if r in place]
            body = bytearray(wire.varint(len(pairs)))
            for at, n in pairs:
                body += wire.varint(at) + wire.varint(n)
            changes += wire.operation(wire.OP_DRAFTED, body)
            self._drafted = dict(events.drafted)
        if events.preempted:
            handles = [self._handle(request, definitions) for request in events.preempted]
            changes += _list_operation(wire.OP_PREEMPTED, handles)
        if events.resumed:
            body = bytearray(wire.varint(len(events.resumed)))
            for request, target in events.resumed.items():
                body += wire.varint(self._handle(request, definitions))
                known = self._known[request]
                known.target = max(known.target, known.reached if target is None else target)
                body += wire.varint(known.target)
            changes += wire.operation(wire.OP_RESUMED, body)
        for op, requests in (
            (wire.OP_FINISHED, events.finished),
            (wire.OP_FORGET, events.forgotten),
        ):
            if requests:
                handles = [self._handle(request, definitions) for request in requests]
                changes += _list_operation(op, handles)
                for request in requests:
                    self._known.pop(request, None)
        if events.engine_step is not None:
            changes += wire.operation(wire.OP_ENGINE_STEP, wire.varint(events.engine_step))

    def _handle(self, request, definitions):
        known = self._known.get(request)
        if known is None:
            known = self._known[request] = _Known(0)
        if known.handle == 0:
            known.handle = self._next_handle
            self._next_handle += 1
            numbers = (known.handle, known.prompt, known.target)
            body = b"".join(map(wire.varint, numbers)) + wire.text_bytes(request)
            definitions += wire.operation(wire.OP_DEFINE, body)
        return known.handle

    def _remember_reached(self, places, reached):
        for at in places:
            known = self._known.get(self.order[at])
            if known is not None:
                known.reached = reached[at]

    def _start_over(self):
        for known in self._known.values():
            known.handle = 0
        self._next_handle = 1
        self._drafted = {}

    def _advance(self, lanes):
        if lanes != self._lanes + self._token_lanes or self._drafted:
            return None
        self._lanes = lanes
        self._until_keyframe -= 1
        return self._head

    def _set_batch(self, order, tokens, own, computed):
        self.order = list(order)
        self.tokens = dict(tokens)
        self._own = own
        self._lanes = _lanes_of(computed)
        self._token_lanes = _lanes_of(own)

    def _bound_memory(self):
        if len(self._known) > KNOWN_LIMIT:
            for request in list(self._known)[: KNOWN_LIMIT // 4]:
                if request not in self.tokens:
                    del self._known[request]
            self.want_keyframe()


def _lanes_of(values):
    """All values in one integer, 64 bits each: two lists are compared or added in one go."""
    return int.from_bytes(array("q", values), sys.byteorder)


def _values_of(lanes, count):
    values = array("q")
    values.frombytes(lanes.to_bytes(8 * count, sys.byteorder))
    return values.tolist()


def _packed(code, values):
    packed = array(code, values)
    if packed.itemsize != 4:
        raise ValueError("this platform's integers are not 32 bits wide")
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _list_operation(op, numbers):
    return wire.operation(op, wire.varint(len(numbers)) + b"".join(map(wire.varint, numbers)))


def _pair_operation(op, places, values):
    body = bytearray(wire.varint(len(places)))
    for at in places:
        body += wire.varint(at) + wire.varint(values[at])
    return wire.operation(op, body)

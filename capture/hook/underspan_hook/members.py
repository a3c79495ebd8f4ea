"""Delta encoding of who is in a step.

A step usually has the members of the step before, each further by the tokens it had. Such a step
costs two comparisons and one sum, whatever its size, and is written as an empty delta.
"""

from operator import sub

from . import lanes, wire

# A full description now and then bounds what damage to the file can cost.
STEPS_PER_KEYFRAME = 4096
# Requests that never end, as far as the engine says, are forgotten beyond this number.
KNOWN_LIMIT = 65536
# When one in so many members differs, the values of all are written in one go.
ALL_FROM = 8
# So many are looked at one by one.
FEW = 8


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
        self._set_batch([], [], bytearray(), 0, 0, 0)

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
        if self._until_keyframe <= 0 or order != self.order:
            return None
        if _own(order, tokens) != self._own:
            return None
        return self._advance(lanes.number(lanes.row(computed)))

    def steady_by_length(self, order, lengths):
        """As `steady`, for an engine that gives lengths that include the step's own tokens and
        whose own tokens are known to be those of the step before."""
        if self._until_keyframe <= 0 or order != self.order:
            return None
        return self._advance(lanes.number(lanes.row(lengths)) - self._own_number)

    def observe(self, events):
        """Keeps what later steps need to know while nothing is recorded."""
        for request, prompt in events.new.items():
            self._known.setdefault(request, _Known(prompt))
        for request in events.finished:
            self._known.pop(request, None)
        self._bound_memory()

    def encode(self, order, tokens, computed, events):
        """The delta of any step. `computed` goes with `order`."""
        if len(order) != len(computed):
            raise ValueError("members and their computed tokens do not match")
        counts = _own(order, tokens)
        own, now = lanes.row(counts), lanes.row(computed)
        keyframe = self._until_keyframe <= 0
        gone, stayed, n_stayed = self._stayed(order, tokens, events)
        # What a reader makes of the step before: where each of its members should be by now, and
        # the tokens it has unless it is told otherwise.
        expected, was_own = self._expected(), self._own_row
        if gone:
            self._remember_reached(gone, expected)
            lanes.remove(expected, gone)
            lanes.remove(was_own, gone)
        for request, prompt in events.new.items():
            if request not in self._known:
                self._known[request] = _Known(prompt)

        definitions = bytearray()
        changes = bytearray()
        if keyframe:
            self._start_over()
            stayed, n_stayed = order[:], 0
            expected, was_own = bytearray(), bytearray()
        elif gone:
            changes += _list_operation(wire.OP_LEAVE, gone)
        if n_stayed is None:
            # Some came in between, or the order is another.
            joined = _others(order, stayed)
            self._join(changes, definitions, order, joined, own, now)
            places = _places(order, stayed + [order[at] for at in joined])
            changes += _list_operation(wire.OP_ORDER, places)
            expected = lanes.taken(expected + lanes.taken(now, joined), places)
            was_own = lanes.taken(was_own + lanes.taken(own, joined), places)
            stayed = order[:]
        elif n_stayed < len(order):
            joined = range(n_stayed, len(order))
            self._join(changes, definitions, order, joined, own, now)
            expected += now[n_stayed * lanes.WIDTH :]
            was_own += own[n_stayed * lanes.WIDTH :]
        own_number, now_number = lanes.number(own), lanes.number(now)
        if own != was_own:
            places = lanes.differing(own_number, lanes.number(was_own))
            changes += _token_changes(places, counts)
        if now != expected:
            changes += _computed_changes(now_number, computed, expected)
        self._events(changes, definitions, order, events)
        n_joined = len(order) - (n_stayed or 0)
        self._set_batch(stayed, counts, bytearray(own), own_number, now_number, n_joined)
        head = self._keyframe_head if keyframe else self._head
        self._until_keyframe = (STEPS_PER_KEYFRAME if keyframe else self._until_keyframe) - 1
        self._bound_memory()
        return b"".join((head, definitions, changes))

    def turnover(self, order, tokens, computed, new, finished):
        """The delta of the usual step in which requests come and go: those that left have finished,
        those that came are new and stand last, and at most the tokens of some others are not as
        expected. `None` for any other step, as far as `encode` knows of it. `encode` can do all of
        this in twice the time: here calls and copies are left out that it makes."""
        if self._until_keyframe <= 0 or self._drafted:
            return None
        known = self._known
        stayed, gone, handles = self.order[:], [], []
        try:
            for request in finished:
                gone.append(stayed.index(request))
                handles.append(known[request].handle)
        except (KeyError, ValueError):
            return None
        gone.sort(reverse=True)
        for at in gone:
            del stayed[at]
        n_stayed = len(stayed)
        joined = order[n_stayed:]
        stayed += joined
        if (
            stayed != order
            or len(computed) != len(order)
            or joined != list(new)
            or not known.keys().isdisjoint(joined)
        ):
            return None

        own, now = _own(order, tokens), lanes.row(computed)
        own_row, was_own, varint = self._own_row, self._own, wire.varint
        expected = lanes.row_of(self._now_number + self._own_number, len(self.order))
        delta, changes = self._head, b""
        if gone:
            for at in gone:
                place = slice(at * lanes.WIDTH, (at + 1) * lanes.WIDTH)
                del expected[place], own_row[place], was_own[at]
            gone.reverse()
            changes = _list_operation(wire.OP_LEAVE, gone)
        if joined:
            came = own[n_stayed:]
            was_own += came
            own_row += lanes.row(came)
            expected += now[n_stayed * lanes.WIDTH :]
            members = varint(len(joined))
            for request, count, reached in zip(joined, came, computed[n_stayed:]):
                one = known[request] = _Known(new[request])
                one.handle = self._next_handle
                self._next_handle += 1
                handle, prompt = varint(one.handle), varint(one.prompt)
                name = wire.text_bytes(request)
                delta += wire.operation(wire.OP_DEFINE, b"".join((handle, prompt, prompt, name)))
                members += handle + varint(count) + varint(reached)
            changes += wire.operation(wire.OP_JOIN, members)
        if own != was_own:
            places = []
            # Those that came a step ago have gone from prompt to decoding, and mostly that is all.
            n_fresh = self._n_joined
            for at in range(n_stayed - n_fresh, n_stayed) if n_fresh <= min(n_stayed, FEW) else ():
                if own[at] != was_own[at]:
                    was_own[at] = own[at]
                    lanes.put(own_row, at, own[at])
                    places.append(at)
            if own != was_own:
                row = lanes.row(own)
                places += lanes.differing(lanes.number(row), lanes.number(own_row))
                places.sort()
                own_row[:] = row
            changes += _token_changes(places, own)
        now_number = lanes.number(now)
        if now != expected:
            changes += _computed_changes(now_number, computed, expected)
        if handles:
            changes += _list_operation(wire.OP_FINISHED, handles)
            for request in finished:
                del known[request]
        self._set_batch(stayed, own, own_row, lanes.number(own_row), now_number, len(joined))
        self._until_keyframe -= 1
        if len(known) > KNOWN_LIMIT:
            self._bound_memory()
        return delta + changes

    def _stayed(self, order, tokens, events):
        """Places of the members that are not in the step any more. Then, where the others lead the
        step as they were, the step's members and how many of them stayed; otherwise those that
        stayed, and `None`.

        Names are kept from step to step as far as they can be: an engine sends the same ones in
        new strings with each step, and to let go of hundreds of strings takes its time."""
        was = self.order
        # Those that ended or were stopped, when they explain the whole difference.
        if len(events.finished) + len(events.preempted) <= 16:
            gone, stayed = [], was[:]
            for request in {*events.finished, *events.preempted}:
                if request in tokens:
                    break
                try:
                    gone.append(was.index(request))
                except ValueError:
                    pass
            else:
                gone.sort()
                for at in reversed(gone):
                    del stayed[at]
                n_stayed = len(stayed)
                stayed += order[n_stayed:]
                if stayed == order:
                    return gone, stayed, n_stayed
        gone = [at for at, request in enumerate(was) if request not in tokens]
        stayed = [request for request in was if request in tokens]
        n_stayed = len(stayed)
        if order[:n_stayed] == stayed:
            return gone, stayed + order[n_stayed:], n_stayed
        return gone, stayed, None

    def encode_empty(self, events):
        """The delta of a step without a forward pass: the batch stays as it is."""
        keyframe = self._until_keyframe <= 0
        definitions = bytearray()
        changes = bytearray()
        if keyframe:
            self._remember_reached(range(len(self.order)), self._expected())
            self._start_over()
            self._set_batch([], [], bytearray(), 0, 0, 0)
            self._until_keyframe = STEPS_PER_KEYFRAME
        self._events(changes, definitions, self.order, events)
        self._until_keyframe -= 1
        head = self._keyframe_head if keyframe else self._head
        return bytes(head + definitions + changes)

    def _join(self, changes, definitions, order, joined, own, now):
        """Writes who came."""
        if not joined:
            return
        numbers = [len(joined)]
        for at in joined:
            handle = self._handle(order[at], definitions)
            numbers += (handle, lanes.count(own, at), lanes.count(now, at))
        changes += wire.operation(wire.OP_JOIN, wire.varints(numbers))

    def _events(self, changes, definitions, order, events):
        if events.drafted != self._drafted:
            place = {request: at for at, request in enumerate(order)}
            pairs = [(place[r], n) for r, n in events.drafted.items() if r in place]
            numbers = [len(pairs)]
            for pair in pairs:
                numbers += pair
            changes += wire.operation(wire.OP_DRAFTED, wire.varints(numbers))
            self._drafted = dict(events.drafted)
        if events.preempted:
            handles = [self._handle(request, definitions) for request in events.preempted]
            changes += _list_operation(wire.OP_PREEMPTED, handles)
        if events.resumed:
            numbers = [len(events.resumed)]
            for request, target in events.resumed.items():
                numbers.append(self._handle(request, definitions))
                known = self._known[request]
                known.target = max(known.target, known.reached if target is None else target)
                numbers.append(known.target)
            changes += wire.operation(wire.OP_RESUMED, wire.varints(numbers))
        if events.finished:
            self._end(wire.OP_FINISHED, events.finished, changes, definitions)
        if events.forgotten:
            self._end(wire.OP_FORGET, events.forgotten, changes, definitions)
        if events.engine_step is not None:
            changes += wire.operation(wire.OP_ENGINE_STEP, wire.varint(events.engine_step))

    def _end(self, op, requests, changes, definitions):
        changes += _list_operation(op, [self._handle(r, definitions) for r in requests])
        for request in requests:
            del self._known[request]

    def _handle(self, request, definitions):
        known = self._known.get(request)
        if known is None:
            known = self._known[request] = _Known(0)
        if known.handle == 0:
            known.handle = self._next_handle
            self._next_handle += 1
            definitions += _definition(known, request)
        return known.handle

    def _remember_reached(self, places, reached):
        for at in places:
            known = self._known.get(self.order[at])
            if known is not None:
                known.reached = lanes.count(reached, at)

    def _start_over(self):
        for known in self._known.values():
            known.handle = 0
        self._next_handle = 1
        self._drafted = {}

    def _advance(self, now):
        if now != self._now_number + self._own_number or self._drafted:
            return None
        self._now_number = now
        self._until_keyframe -= 1
        return self._head

    def _expected(self):
        """The row of where each member of the step before should be by now."""
        return lanes.row_of(self._now_number + self._own_number, len(self.order))

    def _set_batch(self, order, own, own_row, own_number, now_number, n_joined):
        self.order = order
        # The same counts three times: to compare with, to take some out of, and to add.
        self._own = own
        self._own_row = own_row
        self._own_number = own_number
        self._now_number = now_number
        # So many came with this step, and stand at its end.
        self._n_joined = n_joined

    def _bound_memory(self):
        if len(self._known) > KNOWN_LIMIT:
            running = set(self.order)
            for request in list(self._known)[: KNOWN_LIMIT // 4]:
                if request not in running:
                    del self._known[request]
            self.want_keyframe()


def _definition(known, request):
    numbers = wire.varints((known.handle, known.prompt, known.target))
    return wire.operation(wire.OP_DEFINE, numbers + wire.text_bytes(request))


def _own(order, tokens):
    """The members' own tokens, as a new list."""
    if list(tokens) == order:
        return list(tokens.values())
    if len(order) != len(tokens):
        raise ValueError("members and their tokens do not match")
    return list(map(tokens.__getitem__, order))


def _others(order, stayed):
    """Places of those that did not stay but came."""
    before = set(stayed)
    return [at for at, request in enumerate(order) if request not in before]


def _places(order, was):
    """Where each was."""
    place = {request: at for at, request in enumerate(was)}
    return list(map(place.__getitem__, order))


def _list_operation(op, numbers):
    if len(numbers) == 1:
        number = wire.varint(numbers[0])
        return bytes((op, 1 + len(number), 1)) + number
    return wire.operation(op, wire.varints([len(numbers), *numbers]))


def _pair_operation(op, places, counts):
    numbers = [len(places)]
    for at in places:
        numbers += (at, counts[at])
    return wire.operation(op, wire.varints(numbers))


def _token_changes(places, counts):
    """Own tokens at some places, or of all where that is shorter."""
    if len(places) * ALL_FROM >= len(counts):
        return wire.operation(wire.OP_TOKENS_ALL, lanes.row(counts))
    return _pair_operation(wire.OP_TOKENS, places, counts)


def _computed_changes(now_number, computed, expected):
    """Where computed tokens are not what a reader takes them for."""
    places = lanes.differing(now_number, lanes.number(expected))
    if len(places) * ALL_FROM >= len(computed):
        off = list(map(sub, computed, lanes.counts(expected)))
        return wire.operation(wire.OP_COMPUTED_ALL, lanes.row_of_signed(off))
    return _pair_operation(wire.OP_COMPUTED, places, computed)

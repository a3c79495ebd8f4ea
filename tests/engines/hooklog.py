"""Reads a file of the hook, straight from the description in capture/hook/README.md.

A second reader on purpose: it shares nothing with the code that writes and with the importer.
"""

import binascii
import json
import struct


class Step:
    """One step as the file tells it."""

    def __init__(self):
        self.step_id = self.start_ns = self.end_ns = self.sample_ns = None
        self.flags = self.end_flags = self.tid = self.series = 0
        self.members = []  # [request, own tokens, computed tokens, phase]
        self.drafted = {}
        self.prompts = {}  # request -> tokens of its prompt
        self.preempted, self.resumed, self.finished = [], [], []
        self.engine_step = None
        self.delta_bytes = 0
        self.keyframe = False


class HookLog:
    """Everything in one file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.process = {}
        self.notes, self.requests, self.steps, self.anchors = [], [], [], []
        self.torn_bytes = self.bad_frames = self.lost_steps = 0
        self._series = {}
        self._open = {}
        self._read()

    def _read(self):
        magic, version, head, self.pid = struct.unpack_from("<8sHHI", self.data)
        assert magic == b"USPHOOK\0" and version == 1, (magic, version)
        at = head
        while at + 8 <= len(self.data):
            length, checksum = struct.unpack_from("<II", self.data, at)
            body = self.data[at + 8 : at + 8 + length]
            if len(body) < length:
                break
            at += 8 + length
            if binascii.crc32(body) != checksum:
                self.bad_frames += 1
                self._series.clear()
                continue
            self._frame(body)
        self.torn_bytes = len(self.data) - at

    def _frame(self, body):
        kind = body[0]
        if kind == 1:
            self.process = json.loads(body[1:])
        elif kind == 2:
            self.anchors.append(struct.unpack("<qqI", body[1:]))
        elif kind == 3:
            self._step_begin(body)
        elif kind == 4:
            _, flags, step_id, end_ns = struct.unpack_from("<BBQq", body)
            step = self._open.pop(step_id)
            step.end_ns, step.end_flags = end_ns, flags
            if flags & 2:
                step.sample_ns = struct.unpack_from("<qq", body, 18)
        elif kind == 5:
            self.requests.append(_request(body[1:]))
        elif kind == 6:
            self.notes.append(json.loads(body[1:]))

    def _step_begin(self, body):
        step = Step()
        _, step.flags, n_members, step.tid, step.step_id, step.start_ns = struct.unpack_from(
            "<BBIIQq", body
        )
        self.steps.append(step)
        self._open[step.step_id] = step
        delta = body[26:]
        step.delta_bytes = len(delta)
        assert delta[0] == 1
        at, series = _varint(delta, 2)
        step.series = series
        step.keyframe = bool(delta[1] & 1)
        if delta[1] & 1:
            self._series[series] = {"batch": [], "tokens": {}, "computed": {}, "names": {}, "drafted": {}}
        state = self._series.get(series)
        if state is None:
            self.lost_steps += 1
            return
        batch, tokens, computed = state["batch"], state["tokens"], state["computed"]
        names = state["names"]
        is_empty = step.flags & 16
        if not is_empty:
            for handle in batch:
                computed[handle] += tokens[handle]
        gone = []
        while at < len(delta):
            op = delta[at]
            at, length = _varint(delta, at + 1)
            ops = delta[at : at + length]
            at += length
            if op == 1:
                p, handle = _varint(ops, 0)
                p, prompt = _varint(ops, p)
                p, target = _varint(ops, p)
                names[handle] = [ops[p:].decode(), prompt, target]
            elif op == 2:
                for place in reversed(_list(ops)):
                    del batch[place]
            elif op == 3:
                p, n = _varint(ops, 0)
                for _ in range(n):
                    p, handle = _varint(ops, p)
                    p, tokens[handle] = _varint(ops, p)
                    p, computed[handle] = _varint(ops, p)
                    batch.append(handle)
            elif op == 4:
                places = _list(ops)
                assert sorted(places) == list(range(len(batch)))
                batch[:] = [batch[place] for place in places]
            elif op == 5:
                for place, n in _pairs(ops):
                    tokens[batch[place]] = n
            elif op == 6:
                for handle, (n,) in zip(batch, struct.iter_unpack("<I", ops)):
                    tokens[handle] = n
            elif op == 7:
                for place, n in _pairs(ops):
                    computed[batch[place]] = n
            elif op == 8:
                for handle, (n,) in zip(batch, struct.iter_unpack("<i", ops)):
                    computed[handle] += n
            elif op == 9:
                state["drafted"] = {batch[place]: n for place, n in _pairs(ops)}
            elif op == 10:
                step.preempted = [names[handle][0] for handle in _list(ops)]
            elif op == 11:
                for handle, target in _pairs(ops):
                    names[handle][2] = target
                    step.resumed.append(names[handle][0])
            elif op in (12, 13):
                handles = _list(ops)
                if op == 12:
                    step.finished = [names[handle][0] for handle in handles]
                gone += handles
            elif op == 14:
                step.engine_step = _varint(ops, 0)[1]
        if not is_empty:
            assert len(batch) == n_members, (len(batch), n_members)
            for handle in batch:
                name, step.prompts[names[handle][0]], target = names[handle]
                phase = "prefill" if computed[handle] < target else "decode"
                step.members.append([name, tokens[handle], computed[handle], phase])
            step.drafted = {names[handle][0]: n for handle, n in state["drafted"].items()}
        for handle in gone:
            if handle not in batch:
                names.pop(handle, None)


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return at, value


def _list(data):
    at, n = _varint(data, 0)
    numbers = []
    for _ in range(n):
        at, number = _varint(data, at)
        numbers.append(number)
    assert at == len(data)
    return numbers


def _pairs(data):
    at, n = _varint(data, 0)
    numbers = []
    for _ in range(n):
        at, first = _varint(data, at)
        at, second = _varint(data, at)
        numbers.append((first, second))
    assert at == len(data)
    return numbers


_KEYS = {1: "member", 2: "external", 3: "traceparent", 4: "x_request_id", 5: "received", 6: "ended"}


def _request(data):
    version, source, realtime_ns, monotonic_ns = struct.unpack_from("<BBqq", data)
    assert version == 1
    request = {"source": source, "realtime_ns": realtime_ns, "monotonic_ns": monotonic_ns}
    at = 18
    while at < len(data):
        key = data[at]
        at, length = _varint(data, at + 1)
        value = data[at : at + length]
        at += length
        request[_KEYS[key]] = struct.unpack("<q", value)[0] if key in (5, 6) else value.decode()
    return request

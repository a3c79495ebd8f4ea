"""Drives the collector with the hook's own encoder and prints who was in each step."""

import ctypes
import random
import sys

sys.path.insert(0, sys.argv[2])
from underspan_hook import wire  # noqa: E402
from underspan_hook.members import BatchEncoder, Events  # noqa: E402

collector = ctypes.PyDLL(sys.argv[1])
collector.InitializeInjection()
collector.underspan_step_begin.argtypes = (ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32)
collector.underspan_members.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
collector.underspan_step_end.argtypes = (ctypes.c_uint64,)

random.seed(5)
encoder = BatchEncoder(0)
running, computed, prompt = [], {}, {}
for step in range(400):
    events = Events()
    events.finished = tuple(r for r in running if random.random() < 0.05)
    running = [r for r in running if r not in events.finished]
    if random.random() < 0.1 and len(running) > 2:
        events.preempted = (running.pop(0),)
    if random.random() < 0.3 or not running:
        request = "req-%d" % len(prompt)
        prompt[request], computed[request] = random.randint(10, 300), 0
        events.new[request] = prompt[request]
        running.append(request)
    if random.random() < 0.1:
        random.shuffle(running)
    left = {r: prompt[r] - computed[r] for r in running}
    tokens = {r: min(64, left[r]) if left[r] > 0 else 1 for r in running}
    if collector.underspan_step_begin(step, len(running), 0) != 0:
        encoder.want_keyframe()
    delta = encoder.encode(running, tokens, [computed[r] for r in running], events)
    assert collector.underspan_members(delta, len(delta)) == 0
    collector.underspan_step_end(step)
    for r in running:
        print(step, r, computed[r], tokens[r], "prefill" if left[r] > 0 else "decode")
        computed[r] += tokens[r]

collector.underspan_request.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
realtime_ns, monotonic_ns = 1_790_000_000_000_000_000, 5_000_000_000
fields = [
    (wire.KEY_MEMBER, "req-0"),
    (wire.KEY_TRACEPARENT, "00-%032x-%016x-01" % (0xABC, 0xDEF)),
    (wire.KEY_RECEIVED, monotonic_ns - 300),
    (wire.KEY_ENDED, monotonic_ns + 700),
]
record = wire.request_record(1, realtime_ns, monotonic_ns, fields)
assert collector.underspan_request(bytes(record), len(record)) == 0

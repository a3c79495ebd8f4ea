"""Batches of hundreds that change in every way between steps, read back from the hook's file."""

import os
import random
import sys
import tempfile
import unittest

from harness import HOOK
from hooklog import HookLog

sys.path.insert(0, HOOK)

from underspan_hook import lanes, members
from underspan_hook.sink import FileSink


class Load:
    """Requests that come, run, pause and go, from a fixed sequence of random numbers."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.batch, self.waiting = [], []
        self.computed, self.own = {}, {}
        self.n_requests = 0

    def step(self):
        """What changed before the next step."""
        chance, events = self.random.random, members.Events()
        events.finished = []
        for request, n in self.own.items():
            self.computed[request] += n
        leaving = [r for r in self.batch if chance() < 0.01]
        self.batch = [r for r in self.batch if r not in leaving]
        for request in leaving:
            stops = chance() < 0.3
            (self.waiting if stops else events.finished).append(request)
        events.preempted = [request for request in leaving if request in self.waiting]
        n_coming = self.random.choice((0, 0, 1, 2, 5)) if self.batch else 300
        for _ in range(n_coming):
            if self.waiting and chance() < 0.5:
                request = self.waiting.pop()
                events.resumed[request] = None
            else:
                request = "req-{}".format(self.n_requests)
                self.n_requests += 1
                events.new[request] = 500
                self.computed[request] = 0
            end = len(self.batch)
            self.batch.insert(end if chance() < 0.8 else self.random.randrange(end + 1), request)
        if chance() < 0.05:
            self.random.shuffle(self.batch)
        for request in self.batch:
            # A rejected draft takes tokens back, a cache gives some.
            if chance() < (0.5 if self.n_requests % 50 == 0 else 0.004):
                self.computed[request] = self.random.randrange(1 << 20)
        rare = 1 if chance() < 0.05 else 0.01
        some = lambda: self.random.randrange(1, 400) if chance() < rare else 1
        self.own = {request: some() for request in self.batch}
        return events


class Members(unittest.TestCase):
    def test_every_change_between_steps_is_read_back(self):
        for seed in range(6):
            load, truth = Load(seed), []
            encoder = members.BatchEncoder(1)
            with tempfile.TemporaryDirectory() as folder:
                sink = FileSink(folder)
                for number in range(400):
                    events = load.step()
                    # Each step's names are new strings, and own tokens in an order of their own.
                    order = ["".join(list(request)) for request in load.batch]
                    keys = sorted(order) if number % 7 == 0 else order
                    tokens = {request: load.own[request] for request in keys}
                    computed = [load.computed[request] for request in order]
                    delta = encoder.steady(order, tokens, computed)
                    if delta is None or events.new or events.finished or events.preempted:
                        delta = encoder.encode(order, tokens, computed, events)
                    sink.step_begin(number, len(order), 0, delta)
                    sink.step_end(number, 0, 0, None)
                    own = [load.own[request] for request in order]
                    truth.append([list(member) for member in zip(order, own, computed)])
                (name,) = os.listdir(folder)
                log = HookLog(os.path.join(folder, name))
            found = [[member[:3] for member in step.members] for step in log.steps]
            self.assertEqual(found, truth)
            self.assertGreater(max(map(len, truth)), 250)

    def test_a_change_of_few_among_hundreds_takes_few_bytes(self):
        encoder = members.BatchEncoder(1)
        order = ["req-{:04}".format(n) for n in range(300)]
        tokens, computed = dict.fromkeys(order, 1), [100] * 300
        encoder.encode(order, tokens, computed, members.Events())
        events = members.Events()
        events.finished = [order[150]]
        events.new["req-next"] = 40
        order = order[:150] + order[151:] + ["req-next"]
        tokens = dict.fromkeys(order, 1)
        tokens["req-0007"], tokens["req-next"] = 5, 40
        computed = [101] * 299 + [0]
        delta = encoder.encode(order, tokens, computed, events)
        self.assertLess(len(delta), 48)


    def test_the_usual_change_takes_another_way_to_the_same_bytes(self):
        taken = []
        for seed in range(6):
            load = Load(seed)
            quick, slow = members.BatchEncoder(1), members.BatchEncoder(1)
            for _ in range(400):
                events = load.step()
                order = ["".join(list(request)) for request in load.batch]
                tokens = {request: load.own[request] for request in order}
                computed = [load.computed[request] for request in order]
                step, delta = (order, tokens, computed), None
                if not events.preempted and not events.resumed:
                    delta = quick.turnover(*step, events.new, events.finished)
                taken.append(delta is not None)
                if delta is None:
                    delta = quick.encode(*step, events)
                self.assertEqual(delta, slow.encode(*step, events))
                for name in ("order", "_own", "_own_row", "_own_number", "_now_number", "_next_handle"):
                    self.assertEqual(getattr(quick, name), getattr(slow, name), name)
        self.assertGreater(sum(taken) * 10, len(taken))
        self.assertLess(sum(taken), len(taken))


class Lanes(unittest.TestCase):
    def test_places_that_differ_are_found_one_by_one_or_all_at_once(self):
        for n_differing in (0, 1, 2, 7, 8, 9, 40, 300):
            first = list(range(300))
            places = sorted(random.Random(n_differing).sample(range(300), n_differing))
            second = first[:]
            for at in places:
                second[at] ^= 1 << 31
            numbers = [lanes.number(lanes.row(counts)) for counts in (first, second)]
            self.assertEqual(lanes.differing(*numbers), places)

    def test_a_count_that_does_not_fit_is_an_error(self):
        for counts in ([-1], [1 << 32]):
            with self.assertRaises(OverflowError):
                lanes.row(counts)


if __name__ == "__main__":
    unittest.main()

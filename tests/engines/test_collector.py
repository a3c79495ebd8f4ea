"""The hook in a process that has a collector: the C functions of underspan.h instead of a file."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import HERE, HOOK, Run

STEPS = """
import ctypes, os
if os.environ.get('LOAD_COLLECTOR'): ctypes.CDLL(os.environ['DOUBLE'])
import vllm.v1.worker.gpu_worker as w, vllm.v1.core.sched.output as o
worker = w.Worker(0, os.devnull)
for n in range(6):
    if n == 3 and os.environ.get('LOAD_LATE'):
        ctypes.CDLL(os.environ['DOUBLE'])
        from underspan_hook import recorder
        recorder._sinks._looked_ns = 0
    cached = o.CachedRequestData(['a'] if n else [], set(), [n + 1] if n else [], [n] if n else [])
    new = [] if n else [o.NewRequestData('a', [0, 0], 0)]
    tokens = {} if n == 5 else {'a': 1 if n else 2}
    if n == 5: cached = o.CachedRequestData()
    output = o.SchedulerOutput(new, cached, tokens, len(tokens), {}, {'a'} if n == 5 else set(), set())
    if worker.execute_model(output) is None: worker.sample_tokens(None)
print('served')
"""

STEADY = "members 010000"


@unittest.skipUnless(shutil.which("cc"), "no C compiler")
class Collector(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.library = os.path.join(cls.folder, "libdouble.so")
        source = os.path.join(HERE, "collector_double.c")
        flags = ["-shared", "-fPIC", "-Wall", "-Werror", "-I", HOOK]
        subprocess.check_call(["cc"] + flags + [source, "-o", cls.library])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def calls(self, script="o", path_name="UNDERSPAN_COLLECTOR", **env):
        self.log = os.path.join(self.folder, "calls.txt")
        if os.path.exists(self.log):
            os.unlink(self.log)
        env.setdefault("LOAD_COLLECTOR", "1")
        env.update({path_name: self.library, "DOUBLE": self.library})
        env.update(COLLECTOR_DOUBLE_LOG=self.log, COLLECTOR_DOUBLE_SCRIPT=script)
        self.run_ = Run(self, ["-c", STEPS], env=env)
        self.assertEqual((self.run_.done.stdout, self.run_.done.stderr), ("served\n", ""))
        if not os.path.exists(self.log):
            return []
        with open(self.log) as file:
            return file.read().splitlines()

    def test_steps_samples_and_notes_arrive_in_order(self):
        calls = self.calls()
        notes = [bytes.fromhex(c[5:]).decode() for c in calls if c.startswith("note")]
        events = [json.loads(note)["event"] for note in notes]
        self.assertEqual(events, ["process", "patched", "patched", "rank"])
        steps = [c for c in calls if not c.startswith("note")]
        self.assertEqual(steps[0], "begin 0 1 0")
        self.assertTrue(steps[1].startswith("members 010100"), steps[1])
        self.assertEqual(steps[2:5], ["end 0", "begin 0 1 64", "end 0"])
        self.assertTrue(steps[6].startswith("members 010000"))
        # From two tokens to one is a change; then nothing is.
        again = ["begin 2 1 0", STEADY, "end 2", "begin 2 1 64", "end 2"]
        self.assertEqual(steps[10:15], again)
        self.assertEqual(steps[-3][:12], "begin 5 0 16")
        self.assertEqual(steps[-1], "end 5")
        self.assertEqual([n for n in os.listdir(self.run_.folder)], [])

    def test_a_keyframe_when_asked_for(self):
        deltas = [c for c in self.calls("oooko") if c.startswith("members")]
        self.assertEqual([d[10:12] for d in deltas], ["01", "00", "00", "01", "00", "00"])
        deltas = [c for c in self.calls("oomo") if c.startswith("members")]
        self.assertEqual([d[10:12] for d in deltas], ["01", "00", "00", "01", "00", "00"])

    def test_nothing_is_described_while_nothing_is_recorded(self):
        calls = self.calls("nnno")
        deltas = [c for c in calls if c.startswith("members")]
        # What was learnt meanwhile is in the first delta: handle 1, prompt 2, target 2, "a".
        self.assertEqual(deltas[0], "members 010100" + "0104" + "01020261" + "0304" + "01010104")
        self.assertEqual(deltas[1], STEADY)
        self.assertEqual(len(deltas), 3)

    def test_the_file_goes_on_when_the_collector_refuses(self):
        self.calls("oor")
        (log,) = self.run_.logs
        self.assertEqual([n["event"] for n in log.notes], ["collector_lost"])
        self.assertEqual([s.step_id for s in log.steps], [3, 4, 5])
        self.assertEqual(log.steps[0].members, [["a", 1, 4, "decode"]])

    def test_the_file_when_there_is_no_collector_to_talk_to(self):
        for env in (
            {"LOAD_COLLECTOR": ""},
            {"COLLECTOR_DOUBLE_VERSION": "2"},
        ):
            calls = self.calls(**env)
            self.assertEqual([c for c in calls if not c.startswith("note")], [])
            (log,) = self.run_.logs
            self.assertEqual(len(log.steps), 6)

    def test_a_collector_that_comes_late_starts_with_a_keyframe(self):
        calls = self.calls(path_name="CUDA_INJECTION64_PATH", LOAD_COLLECTOR="", LOAD_LATE="1")
        (log,) = self.run_.logs
        self.assertEqual([s.step_id for s in log.steps], [0, 1, 2])
        steps = [c for c in calls if not c.startswith("note")]
        self.assertEqual(steps[0], "begin 3 1 0")
        self.assertEqual(steps[1][:14], "members 010100")


if __name__ == "__main__":
    unittest.main()

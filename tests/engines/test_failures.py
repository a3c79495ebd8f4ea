"""Whatever goes wrong in the hook, the engine goes on and the record says so."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import hooklog
from harness import HERE, HOOK, STANDIN, Run, drive, members_in, members_of

# A worker, a step with two members, and a fault put into the third of five.
STEPS = """
import os, vllm.v1.worker.gpu_worker as w, vllm.v1.core.sched.output as o
class Quiet(w.Worker):
    def __init__(self): self.rank = 0
    def execute_model(self, scheduler_output, *more): return None if more == () else more
    def sample_tokens(self, grammar_output): return 'tokens'
from underspan_hook import vllm as patches
patches.require('vllm', Quiet, 'execute_model', patches._execute_model)
patches.require('vllm', Quiet, 'sample_tokens', patches._sample_tokens)
worker = Quiet()
for n in range(5):
    cached = o.CachedRequestData(['a'] if n else [], set(), [n] if n else [], [n] if n else [])
    new = [o.NewRequestData('n%d' % n, [0, 0], 0)] + ([] if n else [o.NewRequestData('a', [0], 0)])
    output = o.SchedulerOutput(new, cached, {'a': 1, 'n%d' % n: 2}, 3, {}, set(['n%d' % (n - 1)] if n else []), set())
    if n == 2:
        FAULT
    assert worker.execute_model(output) is None
    assert worker.sample_tokens(None) == 'tokens'
print('served')
"""

FAULTS = [
    "del output.num_scheduled_tokens",
    "del output.scheduled_new_reqs",
    "del output.finished_req_ids",
    "del output.scheduled_spec_decode_tokens",
    "output.num_scheduled_tokens = None",
    "output.num_scheduled_tokens = {'a': 'many', 'n2': 2}",
    "output.num_scheduled_tokens = {'a': -1, 'n2': 2}",
    "output.num_scheduled_tokens = {'a': 1 << 80, 'n2': 2}",
    "output.num_scheduled_tokens = {'a': 1}",
    "output.scheduled_cached_reqs = None",
    "del cached.req_ids",
    "cached.num_computed_tokens = ['x']",
    "cached.req_ids = ['a', 'a']",
    "output.finished_req_ids = 7",
    "new[0].prompt_token_ids = 7",
    "del new[0].req_id",
    "output = object()",
    "output = None",
]


class Faults(unittest.TestCase):
    def test_a_scheduler_output_of_another_shape(self):
        for fault in FAULTS:
            with self.subTest(fault=fault):
                run = Run(self, ["-c", STEPS.replace("FAULT", fault)])
                self.assertEqual((run.done.stdout, run.done.stderr), ("served\n", ""))
                (log,) = run.logs
                (note,) = run.notes("disabled")
                self.assertEqual((note["part"], note["where"]), ("vllm.steps", "execute_model"))
                self.assertRegex(note["at"], r"^\w+\.py:\d+$")
                # Two whole steps, nothing of the third, no trace of later ones.
                self.assertEqual([len(step.members) for step in log.steps], [2, 2])
                self.assertEqual(log.torn_bytes, 0)

    def test_members_of_other_shapes_that_are_no_fault(self):
        for change in (
            "output.scheduled_cached_reqs = [o.CachedRequestData()]; e = output.scheduled_cached_reqs[0]; e.req_id = 'a'; e.num_computed_tokens = 2; e.resumed_from_preemption = False",
            "del cached.resumed_req_ids; cached.resumed_from_preemption = [False]",
            "del output.preempted_req_ids",
            "new[0].prompt_token_ids = None",
        ):
            with self.subTest(change=change):
                # `del` of a field with a default on the class uncovers that default.
                code = STEPS.replace("FAULT", change)
                run = Run(self, ["-c", code])
                self.assertEqual(run.notes("disabled"), [])
                (log,) = run.logs
                self.assertEqual(
                    [sorted(m[:3] for m in s.members) for s in log.steps],
                    [[["a", 1, n], ["n%d" % n, 2, 0]] for n in range(5)],
                )

    def test_a_call_with_other_arguments(self):
        code = STEPS.replace("FAULT", "assert worker.execute_model(output, 7) == (7,)")
        self.assertEqual(Run(self, ["-c", code]).done.stdout, "served\n")

    def test_an_engine_that_raises_raises_as_before(self):
        code = STEPS.replace(
            "FAULT",
            "Quiet.execute_model.__wrapped__.__code__ = (lambda self, scheduler_output, *more: 1 // 0).__code__",
        )
        run = Run(self, ["-c", code], check=False)
        self.assertIn("ZeroDivisionError", run.done.stderr)
        (log,) = run.logs
        self.assertEqual(log.steps[2].end_flags & 1, 1)
        self.assertEqual(run.notes("disabled"), [])

    def test_an_engine_without_the_parts(self):
        # What an engine of another version lacks is noted; the rest of the program is untouched.
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        for name, text in {
            "vllm/v1/worker/gpu_worker.py": "class Other: pass\n",
            "vllm/v1/engine/async_llm.py": "VALUE = 7\n",
            "sglang/srt/managers/scheduler.py": "class Scheduler: run_batch = 5\n",
            "transformers/generation/utils.py": "class GenerationMixin: pass\n",
            "starlette/applications.py": "Starlette = None\n",
        }.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        modules = (
            "vllm.v1.worker.gpu_worker, vllm.v1.engine.async_llm as a, sglang.srt.managers.scheduler as s, "
            "transformers.generation.utils, starlette.applications"
        )
        run = Run(self, ["-c", "import " + modules + "\nprint(a.VALUE, s.Scheduler.run_batch)"], path=(folder,))
        self.assertEqual((run.done.stdout, run.done.stderr), ("7 5\n", ""))
        told = {n["target"] for n in run.notes("missing")} | {n["part"] for n in run.notes("disabled")}
        self.assertEqual(len(told), 5, told)

    def test_a_request_of_another_shape(self):
        code = (
            "import asyncio, vllm.v1.engine.async_llm as a\n"
            "async def main():\n"
            "    got = []\n"
            "    server = a.AsyncLLM(got.append)\n"
            "    await server.add_request('r', None, None, trace_headers=5)\n"
            "    await server.add_request('s', None, None)\n"
            "    assert len(got) == 2\n"
            "asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())\n"
        )
        run = Run(self, ["-W", "ignore", "-c", code])
        (note,) = run.notes("disabled")
        self.assertEqual(note["part"], "vllm.requests")


class Files(unittest.TestCase):
    def check_served(self, run):
        self.assertEqual(run.done.stdout, "served\n")
        self.assertLessEqual(run.done.stderr.count("\n"), 1, run.done.stderr)
        if run.done.stderr:
            self.assertTrue(run.done.stderr.startswith("underspan: "), run.done.stderr)

    def test_a_folder_that_is_not_there(self):
        for folder in ("/nonexistent/folder", os.devnull):
            run = Run(self, ["-c", STEPS.replace("FAULT", "pass")], env={"UNDERSPAN_HOOK_DIR": folder})
            self.check_served(run)
            self.assertIn("not recorded", run.done.stderr)

    def test_a_full_disk(self):
        code = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))\n" + STEPS.replace("FAULT", "pass")
        run = Run(self, ["-c", code])
        self.check_served(run)
        self.assertIn("not recorded", run.done.stderr)
        (log,) = run.logs
        self.assertEqual(log.bad_frames, 0)

    def test_a_limit_on_the_file(self):
        run = Run(self, ["-c", STEPS.replace("FAULT", "pass")], env={"UNDERSPAN_HOOK_MAX_BYTES": "900"})
        self.check_served(run)
        self.assertIn("limit", run.done.stderr)
        (log,) = run.logs
        self.assertEqual(log.torn_bytes, 0)
        self.assertLessEqual(len(log.data), 900)

    def test_a_program_that_closes_every_descriptor(self):
        run = Run(self, ["-c", STEPS.replace("FAULT", "os.closerange(3, 4096)")])
        self.check_served(run)
        (log,) = run.logs
        self.assertEqual([len(step.members) for step in log.steps], [2, 2])

    def test_descriptors_reused_for_something_else_are_left_alone(self):
        # Worst case: another file under the very number. It is noticed within a second.
        fault = (
            "from underspan_hook import recorder; s = recorder._sinks.file(); "
            "f = os.open(os.environ['UNDERSPAN_HOOK_DIR'] + '/other', os.O_RDWR | os.O_CREAT); "
            "os.dup2(f, s._descriptor); s._anchored_ns = 0"
        )
        run = Run(self, ["-c", STEPS.replace("FAULT", fault)])
        self.check_served(run)
        self.assertEqual(os.path.getsize(os.path.join(run.folder, "other")), 0)

    def test_files_are_for_their_owner_alone(self):
        run = Run(self, ["-c", STEPS.replace("FAULT", "pass")])
        (name,) = os.listdir(run.folder)
        self.assertEqual(os.stat(os.path.join(run.folder, name)).st_mode & 0o777, 0o600)


class Kills(unittest.TestCase):
    def test_a_kill_at_any_moment_loses_nothing_that_was_begun(self):
        chance = random.Random(9)
        for _ in range(6):
            folder = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, folder, True)
            environment = dict(os.environ, UNDERSPAN_HOOK_DIR=folder)
            environment["PYTHONPATH"] = os.pathsep.join([HOOK, STANDIN])
            code = (
                "import os, random, vllm.v1.worker.gpu_worker as w\n"
                "from vllm.v1.core.sched.scheduler import Request, Scheduler\n"
                "c = random.Random(1); s = Scheduler(c); worker = w.Worker(0, {!r}); n = 0\n"
                "while True:\n"
                "    if c.random() < .3: n += 1; s.waiting.append(Request('r%d' % n, 50, 20))\n"
                "    out = s.schedule()\n"
                "    if worker.execute_model(out) is None: worker.sample_tokens(None)\n"
                "    s.update(out)\n"
                "    if n == 1: print('started', flush=True)\n"
            ).format(os.path.join(folder, "truth.jsonl"))
            process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
            process.stdout.readline()
            truth_path = os.path.join(folder, "truth.jsonl")
            wanted = chance.randint(1, 200000)
            while os.path.getsize(truth_path) < wanted:
                os.sched_yield()
            process.send_signal(signal.SIGKILL)
            process.stdout.close()
            process.wait()
            with open(truth_path) as file:

                truth = [json.loads(line) for line in file if line.endswith("\n")]
            (name,) = [name for name in os.listdir(folder) if name.endswith(".uhook")]
            log = hooklog.HookLog(os.path.join(folder, name))
            self.assertEqual(log.torn_bytes, 0)
            self.assertIn(len(log.steps) - len(truth), (0, 1))
            self.assertEqual(members_of(log.steps)[: len(truth)], members_in(truth))
            open_steps = [step for step in log.steps if step.end_ns is None]
            self.assertLessEqual(len(open_steps), 1)


if __name__ == "__main__":
    unittest.main()

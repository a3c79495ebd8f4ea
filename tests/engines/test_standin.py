"""The hook in stand-in engines: who was in each step, against the engines' own logs."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import HERE, STANDIN, Run, drive, members_in, members_of


def worker_log(run):
    """The file with steps in it."""
    (log,) = [log for log in run.logs if log.steps]
    return log


class Vllm(unittest.TestCase):
    def check(self, run):
        log, truth = worker_log(run), run.truth()
        self.assertEqual(members_of(log.steps), members_in(truth))
        for step, line in zip(log.steps, truth):
            self.assertEqual(sorted(step.preempted), line["preempted"])
            self.assertEqual(sorted(step.finished), line["finished"])
            self.assertEqual(step.drafted if line["members"] else {}, line["drafted"])
            self.assertEqual(bool(step.flags & 16), not line["members"])
            self.assertLessEqual(step.start_ns, line["monotonic_ns"])
            self.assertGreaterEqual(step.end_ns, line["monotonic_ns"])
            self.assertEqual(step.sample_ns is not None, bool(line["members"]))
        self.assertEqual([step.step_id for step in log.steps], list(range(len(truth))))
        self.assertEqual(run.notes("disabled"), [])
        self.assertEqual((log.torn_bytes, log.bad_frames), (0, 0))
        return log, truth

    def test_every_member_of_every_step_under_spawn_and_fork(self):
        for method in ("spawn", "fork", "forkserver"):
            with self.subTest(method=method):
                log, truth = self.check(drive(self, "vllm", 1, 60, method=method))
                self.assertTrue(any(line["preempted"] for line in truth))
                self.assertTrue(any(line["resumed"] for line in truth))
                self.assertEqual(
                    [sorted(step.resumed) for step in log.steps],
                    [line["resumed"] for line in truth],
                )
                # The last finished ids come with a step that computes nothing.
                self.assertFalse(truth[-1]["members"])
                self.assertTrue(log.steps[-1].finished)

    def test_the_prefill_of_a_request_ends_with_its_prompt(self):
        log, truth = self.check(drive(self, "vllm", 2, 60))
        recomputing = set()
        for step, line in zip(log.steps, truth):
            recomputing |= set(line["resumed"])
            for name, own, _, phase in step.members:
                if phase == "decode":
                    recomputing.discard(name)
                    self.assertEqual(own, 1)
                expected = name in line["context"] or name in recomputing
                self.assertEqual(phase == "prefill", expected, (name, step.step_id))

    def test_draft_tokens_and_the_second_model_runner(self):
        for seed, options in enumerate(({"drafts": 3}, {"second_runner": 1}, {"worker_class": "cpu"})):
            with self.subTest(**options):
                log, truth = self.check(drive(self, "vllm", seed, 60, **options))
                self.assertEqual(
                    any(step.drafted for step in log.steps), options.get("drafts", 0) > 0
                )

    def test_a_worker_killed_after_its_last_step_has_lost_nothing(self):
        self.check(drive(self, "vllm", 3, 30, ending="kill"))

    def test_requests_keep_their_names_and_traceparents(self):
        run = drive(self, "vllm", 4, 30)
        requests = [request for log in run.logs for request in log.requests]
        with open(os.path.join(run.folder, "arrived.json")) as file:
            arrived = json.load(file)
        self.assertEqual([request["member"] for request in requests], arrived)
        for n, request in enumerate(requests):
            self.assertEqual(request["external"], "cmpl-req-4-{:04d}-0".format(n))
            self.assertEqual(request["member"][:-9], request["external"])
            self.assertEqual(request["traceparent"][3:35], "{:032x}".format(n + 1))
            self.assertEqual(request["traceparent"][-2:], "0" + str(n % 2))

    def test_no_prompt_and_no_token_is_written(self):
        run = drive(self, "vllm", 5, 10)
        for log in run.logs:
            self.assertNotIn(b"secret", log.data)

    def test_an_allow_list_without_us_is_no_obstacle(self):
        self.check(drive(self, "vllm", 6, 20, env={"VLLM_PLUGINS": "other"}))

    def test_nothing_happens_without_a_folder(self):
        run = drive(self, "vllm", 7, 10, env={"UNDERSPAN_HOOK_DIR": None})
        self.assertEqual(run.logs, [])
        self.assertTrue(run.truth())


class Entry(unittest.TestCase):
    def test_entry_points_alone_are_enough(self):
        # -S leaves out sitecustomize, as some launchers do.
        for group in ("vllm.general_plugins", "sglang.srt.plugins"):
            code = (
                "from importlib.metadata import entry_points as e\n"
                "try: found = list(e(group={0!r}))\n"
                "except TypeError: found = list(e().get({0!r}, ()))\n"
                "import sys\n"
                "assert not any(type(f).__module__ == 'underspan_hook.imports' for f in sys.meta_path)\n"
                "[p.load()() for p in found if p.name == 'underspan']\n"
                "assert not any(m.split('.')[0] in ('vllm', 'sglang') for m in sys.modules)\n"
                "import vllm.v1.worker.gpu_worker as w\n"
                "print(w.Worker.execute_model.__underspan__, w.__loader__.__class__.__name__)\n"
            ).format(group)
            run = Run(self, ["-S", "-c", code])
            self.assertEqual(run.done.stdout, "True SourceFileLoader\n")

    def test_a_hidden_sitecustomize_still_runs(self):
        folder = os.path.join(HERE, "hidden")
        run = Run(self, ["-c", "import sitecustomize, sys; print(sitecustomize.LOADED, sitecustomize.__name__)"], path=(folder,))
        self.assertEqual(run.done.stdout, "True sitecustomize\n")
        run = Run(self, ["-c", "print('runs')"], path=(STANDIN,))
        self.assertEqual((run.done.stdout, run.done.stderr), ("runs\n", ""))

    def test_a_program_that_imports_no_engine_leaves_no_file(self):
        run = Run(self, ["-c", "import json, asyncio, unittest"])
        self.assertEqual(os.listdir(run.folder), [])

    def test_a_missing_engine_is_missing_as_before(self):
        code = "import importlib.util as u\ntry:\n import vllm.v1.worker.gpu_worker\nexcept ImportError as e: print(type(e).__name__)\nprint(u.find_spec('starlette'))"
        run = Run(self, ["-S", "-c", "import underspan_hook; underspan_hook.register()\n" + code], path=())
        self.assertEqual(run.done.stdout, "ModuleNotFoundError\nNone\n")

    def test_two_forks_write_files_of_their_own(self):
        code = (
            "import os, vllm.v1.worker.gpu_worker as w, vllm.v1.core.sched.output as o\n"
            "def step(worker, name):\n"
            "    c = o.CachedRequestData([], set(), [], [])\n"
            "    worker.execute_model(o.SchedulerOutput([o.NewRequestData(name, [0], 0)], c, {name: 1}, 1, {}, set()))\n"
            "    worker.sample_tokens(None)\n"
            "worker = w.Worker(0, os.devnull)\n"
            "step(worker, 'parent')\n"
            "children = []\n"
            "for n in range(2):\n"
            "    pid = os.fork()\n"
            "    if pid == 0:\n"
            "        step(worker, 'child-%d' % n); os._exit(0)\n"
            "    children.append(pid)\n"
            "[os.waitpid(pid, 0) for pid in children]\n"
            "step(worker, 'parent-again')\n"
        )
        run = Run(self, ["-c", code])
        seen = sorted([m[0] for s in log.steps for m in s.members] for log in run.logs)
        self.assertEqual(seen, [["child-0"], ["child-1"], ["parent", "parent-again"]])
        self.assertEqual(len({log.pid for log in run.logs}), 3)


class OtherEngines(unittest.TestCase):
    def test_sglang(self):
        for method in ("spawn", "fork"):
            run = drive(self, "sglang", 1, 60, method=method)
            log = worker_log(run)
            truth = run.truth()
            self.assertEqual(members_of(log.steps), members_in(truth))
            self.assertEqual(log.notes[-1], {"event": "rank", "rank": 0})
            self.assertTrue(any(step.preempted for step in log.steps))
            modes = {"EXTEND": 1, "DECODE": 2, "MIXED": 3}
            self.assertEqual([s.flags & 15 for s in log.steps], [modes[t["mode"]] for t in truth])
            # Each request ends once, though it was in batches of both kinds.
            finished = [name for step in log.steps for name in step.finished]
            self.assertEqual(len(finished), len(set(finished)))
            self.assertGreater(len(finished), 50)
            # An interrupted decode batch does not describe itself anew.
            decode = [s.delta_bytes for s, t in zip(log.steps, truth) if t["mode"] == "DECODE"]
            self.assertLess(sorted(decode)[len(decode) // 2], 8)

    def test_continuous_batching(self):
        run = drive(self, "batching", 1, 40)
        (log,) = run.logs
        self.assertEqual(members_of(log.steps), members_in(run.truth()))
        self.assertEqual(len(log.requests), 40)
        finished = [name for step in log.steps for name in step.finished]
        self.assertEqual(len(finished), len(set(finished)))

    def test_generate(self):
        code = (
            "from transformers.generation.utils import GenerationMixin, Shape\n"
            "class Mine(GenerationMixin):\n"
            "    def prepare_inputs_for_generation(self, *a, **k):\n"
            "        return super().prepare_inputs_for_generation(*a, **k)\n"
            "assert Mine().generate(Shape(2, 10), max_new_tokens=3).shape == (2, 13)\n"
            "GenerationMixin().generate(Shape(1, 5), max_new_tokens=2)\n"
        )
        run = Run(self, ["-c", code])
        (log,) = run.logs
        members = [s.members[0] if s.members else s.finished for s in log.steps]
        self.assertEqual(
            members,
            [
                ["generate-0", 20, 0, "prefill"],
                ["generate-0", 2, 20, "decode"],
                ["generate-0", 2, 22, "decode"],
                ["generate-0"],
                ["generate-1", 5, 0, "prefill"],
                ["generate-1", 1, 5, "decode"],
                ["generate-1"],
            ],
        )

    def test_asgi_names_reach_whatever_a_request_starts(self):
        code = (
            "import asyncio\n"
            "from starlette.applications import Starlette\n"
            "from transformers.generation.utils import GenerationMixin, Shape\n"
            "async def handler(scope, receive, send):\n"
            "    if scope['path'] == '/generate':\n"
            "        await asyncio.to_thread(GenerationMixin().generate, Shape(1, 3))\n"
            "app = Starlette(handler)\n"
            "outer = Starlette(app)\n"
            "async def main():\n"
            "    for n, path in enumerate(['/generate', '/plain', '/none']):\n"
            "        headers = [(b'x-request-id', b'id-%d' % n), (b'traceparent', b'00-' + b'ab' * 16 + b'-' + b'cd' * 8 + b'-01')]\n"
            "        await outer({'type': 'http', 'path': path, 'headers': headers if path != '/none' else []}, None, None)\n"
            "    await outer({'type': 'lifespan'}, None, None) if False else None\n"
            "if hasattr(asyncio, 'to_thread'): asyncio.run(main())\n"
        )
        if sys.version_info < (3, 9):
            self.skipTest("asyncio.to_thread is new in 3.9")
        run = Run(self, ["-c", code])
        (log,) = run.logs
        first, second = log.requests
        self.assertEqual((first["member"], first["x_request_id"]), ("id-0-0", "id-0"))
        self.assertEqual(first["traceparent"], "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")
        self.assertLess(first["received"], first["monotonic_ns"])
        self.assertEqual((second["source"], second["x_request_id"]), (4, "id-1"))
        self.assertNotIn("member", second)
        self.assertGreaterEqual(second["ended"], second["received"])
        self.assertEqual({m[0] for s in log.steps for m in s.members}, {"id-0-0"})


if __name__ == "__main__":
    unittest.main()

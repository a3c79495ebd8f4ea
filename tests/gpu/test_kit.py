"""The kit's own tests: comparisons, tables, time limits and the skip line, without a GPU."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "kit"))

import cases
import compare
import machine
import report
from recording import Underspan


def info(copies=0, busy_ns=0, problems=()):
    """What `underspan info` prints, as far as it is read."""
    device = {"kernel_busy_union_ns": busy_ns, "memcpy_count": copies}
    return {"devices": {"0": device}, "data_problems": [{"kind": kind, "count": n} for kind, n in problems]}


def work(kernels, copies=0, busy_ns=None):
    rows = [{"name": name, "count": count, "total_ns": total} for name, (count, total) in kernels.items()]
    busy_ns = sum(total for _, total in kernels.values()) if busy_ns is None else busy_ns
    return compare.of_capture(info(copies, busy_ns), rows)


def failures(expected, found):
    result = report.Result("x")
    compare.same_work(result, expected, found)
    return [check["what"] for check in result.failures]


class SameWork(unittest.TestCase):
    def test_equal_recordings_pass_and_times_may_differ_a_little(self):
        expected = work({"gemm": (4, 40_000), "norm": (8, 8_000)}, copies=2)
        self.assertEqual(failures(expected, work({"gemm": (4, 40_900), "norm": (8, 8_100)}, copies=2)), [])

    def test_each_difference_is_found_by_name(self):
        expected = work({"gemm": (4, 40_000), "norm": (8, 8_000)}, copies=2)
        for found, what in [
            (work({"gemm": (3, 40_000), "norm": (8, 8_000)}, 2), ["kernels", "names with another count"]),
            (work({"gemm": (4, 40_000), "silu": (8, 8_000)}, 2), ["names with another count"]),
            (work({"gemm": (4, 40_000), "norm": (8, 8_000)}, 1), ["copies"]),
            (work({"gemm": (4, 48_000), "norm": (8, 8_000)}, 2, 48_000), ["time of kernels, ns"]),
            (work({"gemm": (4, 40_000), "norm": (8, 8_000)}, 2, 30_000), ["busy time, ns"]),
            (work({}, 2), ["kernels", "names with another count", "time of kernels, ns", "busy time, ns"]),
        ]:
            self.assertEqual(failures(expected, found), what)

    def test_mangled_names_are_those_of_the_profiler(self):
        self.assertEqual(compare.demangled("_Z8rms_normPKfPf"), "rms_norm(float const*, float*)")
        for plain in ("nvjet_tst_64x64", "_Znonsense", ""):
            self.assertEqual(compare.demangled(plain), plain)

    def test_a_profilers_trace_is_read_by_category_and_device(self):
        kernel = {"ph": "X", "cat": "kernel", "name": "gemm", "ts": 10.0, "dur": 2.5, "args": {"device": 0}}
        events = [
            kernel,
            dict(kernel, ts=11.5, dur=3.0, args={"device": 0}),
            dict(kernel, name="norm", args={"device": 1}),
            {"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD", "ts": 1, "dur": 1},
            {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 1, "dur": 1},
            {"ph": "M", "name": "process_name"},
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace.json")
            with open(path, "w") as file:
                json.dump({"traceEvents": events}, file)
            found = compare.of_profiler(path)
        self.assertEqual(found.kernels, {"gemm": (2, 5500), "norm": (1, 2500)})
        # 10.0 to 14.5 on one device, 10.0 to 12.5 on the other.
        self.assertEqual((found.busy_ns, found.n_copies), (7000, 1))

    def test_busy_time_counts_nothing_twice(self):
        for stretches, expected in [
            ([], 0),
            ([(0, 0, 5), (0, 3, 8), (0, 10, 12)], 10),
            ([(0, 0, 10), (0, 2, 3)], 10),
            ([(1, 0, 5), (0, 0, 5)], 10),
        ]:
            self.assertEqual(compare.union(stretches), expected)


class Costs(unittest.TestCase):
    @staticmethod
    def block(is_armed, tokens, itl_ns=(1,)):
        return {"armed": is_armed, "tokens": tokens, "seconds": 1.0, "itl_ns": list(itl_ns)}

    def test_the_median_of_pairs_is_the_cost(self):
        tokens = [1000, 990, 800, 400, 1000, 980]
        cost = compare.throughput_cost([self.block(n % 2 == 1, each) for n, each in enumerate(tokens)])
        self.assertEqual(cost.n, 3)
        self.assertAlmostEqual(cost.median, 1000 / 980 - 1)
        self.assertAlmostEqual(cost.spread[1], 1.0)
        self.assertIn("3 pairs", cost.text())

    def test_slower_tokens_cost_more(self):
        blocks = [self.block(False, 9, range(1, 101)), self.block(True, 9, range(2, 202, 2))]
        self.assertAlmostEqual(compare.itl_cost(blocks).median, 1.0)

    def test_blocks_in_another_order_are_refused(self):
        for blocks in ([], [self.block(True, 1), self.block(False, 1)], [self.block(False, 1)] * 2):
            with self.assertRaises(ValueError):
                compare.throughput_cost(blocks)

    def test_percentiles_are_values_that_were_there(self):
        values = list(range(1, 201))
        self.assertEqual([compare.percentile(values, p) for p in (0, 50, 99, 100)], [1, 100, 198, 200])
        self.assertEqual(compare.percentile([7], 99), 7)
        with self.assertRaises(ValueError):
            compare.percentile([], 50)

    def test_losses_are_summed_and_remarks_are_none(self):
        problems = [("buffer_starved", 3), ("buffer_starved", 4), ("missing_index", 1), ("zero_timestamp", 1)]
        self.assertEqual(compare.losses(info(problems=problems)), {"buffer_starved": 7, "zero_timestamp": 1})


class Results(unittest.TestCase):
    def test_a_result_is_what_its_checks_are(self):
        result = report.Result("x")
        self.assertEqual(result.state, "passed")
        self.assertTrue(result.near("length", 100, 102, 0.02))
        self.assertFalse(result.near("length", 100, 103, 0.02))
        self.assertTrue(result.at_least("count", 5, 5) and result.at_most("count", 5, 5))
        self.assertFalse(result.at_least("count", 5, 4) or result.at_most("count", 5, 6))
        self.assertEqual((result.state, len(result.failures)), ("failed", 3))
        self.assertIn("length: expected 100 ± 2 %, found 103", result.line())

    def test_a_case_that_breaks_skips_or_does_not_fit_is_a_result(self):
        def breaks(kit, result):
            raise KeyError("gone")

        def skips(kit, result):
            raise report.Skip("no torch")

        for run, left, state, words in [
            (breaks, 100, "failed", "KeyError: 'gone'"),
            (skips, 100, "skipped", "no torch"),
            (breaks, 29, "skipped", "out of time: it takes 30 s, 29 s were left"),
            (breaks, -5, "skipped", "0 s were left"),
        ]:
            result = report.guarded(cases.Case("x", 30, "about", run), None, left)
            self.assertEqual(result.state, state)
            self.assertIn(words, result.line())

    def test_the_table_has_every_check_and_keeps_its_shape(self):
        good, bad, late = report.Result("good"), report.Result("bad"), report.Result("late")
        good.check("a|b", [], [])
        good.facts["rate"] = 12345.6
        bad.check("count", 3, 4)
        bad.error = "Traceback\nValueError: 1\n"
        late.reason = "out of time"
        with tempfile.TemporaryDirectory() as folder:
            report.write(folder, {"gpu": "none"}, [good, bad, late])
            self.assertEqual(sorted(os.listdir(folder)), ["results.json", "results.md"])
            with open(os.path.join(folder, "results.json")) as file:
                document = json.load(file)
            with open(os.path.join(folder, "results.md"), encoding="utf-8") as file:
                text = file.read()
        self.assertEqual([case["state"] for case in document["cases"]], ["passed", "failed", "skipped"])
        self.assertIn("| good | passed (0 s) | a\\|b | none | none |", text)
        self.assertIn("| bad | failed (0 s) | count | 3 | 4 **✗** |\n|  |  | ValueError: 1 |", text)
        self.assertIn("| late | skipped (0 s) | out of time |", text)
        self.assertIn("| good | rate | 12346 |", text)
        self.assertEqual(report.summary([good, bad, late]), "1 passed, 1 failed, 1 skipped")


class Running(unittest.TestCase):
    def kit(self, *words, env=None):
        command = ["bash", os.path.join(HERE, "run")] + list(words)
        env = dict(os.environ, PYTHON=sys.executable, PYTHONDONTWRITEBYTECODE="1", **(env or {}))
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, env=env)

    def test_all_cases_fit_into_nine_minutes(self):
        self.assertLessEqual(sum(case.seconds for case in cases.ALL), 9 * 60)
        self.assertEqual(len({case.name for case in cases.ALL}), len(cases.ALL))

    def test_cases_are_chosen_by_name(self):
        self.assertEqual([case.name for case in cases.chosen("soak, graphs")], ["graphs", "soak"])
        with self.assertRaises(cases.Unknown):
            cases.chosen("graphs,none-such")
        unknown = self.kit("--only", "none-such")
        self.assertEqual((unknown.returncode, unknown.stdout), (2, ""))
        self.assertIn("none-such", unknown.stderr)

    def test_without_a_gpu_there_is_one_line_and_no_failure(self):
        for probe, words in [
            (lambda: "ModuleNotFoundError: No module named 'torch'", "No module named 'torch'"),
            (lambda: {"torch": "2.11.0", "gpus": []}, "torch 2.11.0 finds no GPU"),
        ]:
            self.assertIn(words, machine.why_not(probe))
        self.assertIsNone(machine.why_not(lambda: {"torch": "2.11.0", "gpus": [{"name": "H200"}]}))
        with tempfile.TemporaryDirectory() as folder:
            # A torch that finds none, whatever this machine has.
            with open(os.path.join(folder, "torch.py"), "w") as file:
                file.write("class version: cuda = None\nclass cuda:\n is_available = staticmethod(lambda: False)\n")
                file.write("__version__ = '0.0'\n")
            done = self.kit(env={"PYTHONPATH": folder})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "skipped: no GPU acceptance: torch 0.0 finds no GPU\n")

    def test_a_probe_that_crashes_is_a_reason(self):
        with tempfile.TemporaryDirectory() as folder:
            python = os.path.join(folder, "python")
            for script, words in [("kill -SEGV $$", "-11"), ("echo no driver >&2; exit 1", "no driver")]:
                with open(python, "w") as file:
                    file.write("#!/bin/sh\n" + script + "\n")
                os.chmod(python, 0o755)
                self.assertIn(words, machine.why_not(lambda: machine.probed(python)))
            self.assertIn("absent", machine.why_not(lambda: machine.probed(os.path.join(folder, "absent"))))

    def test_missing_programs_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(machine.CannotRun) as caught:
                machine.programs(folder)
        self.assertIn(machine.COLLECTOR, str(caught.exception))

    def test_nothing_may_take_longer_than_the_time_that_is_left(self):
        now = [100.0]
        kit = Underspan("bin", "out", deadline=160.0, clock=lambda: now[0])
        self.assertEqual((kit.limit(30), kit.limit(90)), (30, 60.0))
        now[0] = 159.9
        self.assertEqual(kit.limit(30), 1.0)


if __name__ == "__main__":
    unittest.main()

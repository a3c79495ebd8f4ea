"""What the tests of the hook share: running programs under it and comparing with their own logs."""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

import hooklog

HERE = os.path.dirname(os.path.abspath(__file__))
HOOK = os.path.join(HERE, "..", "..", "capture", "hook")
STANDIN = os.path.join(HERE, "standin")


class Run:
    """One program run under the hook, in a folder of its own."""

    def __init__(self, test, arguments, env=None, path=(STANDIN,), check=True):
        self.folder = tempfile.mkdtemp(prefix="underspan-hook-test-")
        test.addCleanup(shutil.rmtree, self.folder, True)
        environment = dict(os.environ)
        for name in ("VLLM_PLUGINS", "UNDERSPAN_COLLECTOR", "CUDA_INJECTION64_PATH"):
            environment.pop(name, None)
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        environment["UNDERSPAN_HOOK_DIR"] = self.folder
        environment["PYTHONPATH"] = os.pathsep.join([HOOK] + list(path))
        environment.update(env or {})
        environment = {name: value for name, value in environment.items() if value is not None}
        arguments = [a.replace("{folder}", self.folder) for a in arguments]
        self.done = subprocess.run(
            [sys.executable] + arguments,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=300,
        )
        if check and self.done.returncode != 0:
            raise AssertionError(self.done.stderr[-2000:])

    @property
    def logs(self):
        """Every file the hook left, read."""
        paths = sorted(glob.glob(os.path.join(self.folder, "*.uhook")))
        return [hooklog.HookLog(path) for path in paths]

    def truth(self, name="truth.jsonl"):
        """The program's own log."""
        with open(os.path.join(self.folder, name)) as file:
            return [json.loads(line) for line in file]

    def notes(self, event):
        """Notes of one kind from all files."""
        return [n for log in self.logs for n in log.notes if n["event"] == event]


def drive(test, engine, seed=1, n_requests=40, env=None, check=True, path=(STANDIN,), **options):
    """Runs a stand-in engine."""
    arguments = [os.path.join(HERE, "drive_standin.py"), engine, "{folder}"]
    arguments += [str(seed), str(n_requests)]
    arguments += ["{}={}".format(key, value) for key, value in options.items()]
    return Run(test, arguments, env, path, check)


def members_of(steps):
    """Who was in each step, in an order of its own."""
    return [sorted(member[:3] for member in step.members) for step in steps]


def members_in(truth):
    """The same from an engine's own log."""
    return [sorted(member[:3] for member in line["members"]) for line in truth]

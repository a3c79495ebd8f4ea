"""Runs programs under underspan, and reads what it recorded through its own commands."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import compare
from machine import COLLECTOR, HERE

WORK = os.path.abspath(os.path.join(HERE, "..", "work"))

# What a person's shell may have set must not change what is measured.
FOREIGN = ("CUDA_INJECTION64_PATH", "NVTX_INJECTION64_PATH", "UNDERSPAN_MODE", "UNDERSPAN_KINDS")


class Failed(Exception):
    """A program did not do what it was asked."""


class Underspan:
    """The underspan command, a folder for captures, and the time that is left."""

    def __init__(self, programs, folder, double=None, deadline=float("inf"), clock=time.monotonic):
        self.program = os.path.join(programs, "underspan")
        # Cargo builds every library into `deps` and links some of them above it.
        built = os.path.join(programs, "deps", COLLECTOR)
        self.collector = built if os.path.isfile(built) else os.path.join(programs, COLLECTOR)
        self.folder = folder
        self.double = double
        self.deadline = deadline
        self.clock = clock
        self.n_records = 30_000_000
        # The double's times say nothing, so none is spent on them.
        self.block_seconds = 0.05 if double else 0.7

    def version(self):
        """The version, as `underspan --version` prints it."""
        return self.ask("--version").strip()

    def ask(self, *words, limit=120):
        """What a command prints."""
        done = subprocess.run(
            [self.program] + list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
            timeout=self.limit(limit)
        )
        if done.returncode != 0:
            raise Failed("underspan {} ended with {}: {}".format(words[0], done.returncode, tail(done.stderr)))
        return done.stdout

    def doctor(self):
        """What `underspan doctor --json` says."""
        return json.loads(self.ask("doctor", "--json"))

    def limit(self, seconds):
        """Seconds that something may take, given the time that is left."""
        return max(1.0, min(seconds, self.deadline - self.clock()))

    def place(self, name):
        """An empty folder for a run."""
        path = os.path.join(self.folder, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def record(self, name, program, *arguments, kinds="lite", options=(), env=None, limit=120):
        """Runs `underspan record` on a program of work/."""
        run = self.begin(name, program, *arguments, kinds=kinds, options=options, env=env)
        run.wait(self.limit(limit))
        return run

    def begin(self, name, program, *arguments, kinds="lite", options=(), env=None):
        """Starts that, and does not wait."""
        place = self.place(name)
        capture = os.path.join(place, "cap.uspan")
        words = [self.program, "record", "-o", capture, "--kinds", kinds, "--no-otlp"]
        words += list(options) + ["--"] + self.command(program, arguments)
        return Run(self, place, capture, words, self.environment(place, env))

    def plain(self, name, program, *arguments, env=None, limit=120):
        """Runs a program of work/ by itself."""
        place = self.place(name)
        run = Run(self, place, None, self.command(program, arguments), self.environment(place, env))
        run.wait(self.limit(limit))
        return run

    def command(self, program, arguments):
        return [sys.executable, os.path.join(WORK, program)] + [str(argument) for argument in arguments]

    def environment(self, place, more):
        """The environment of a program: where it writes what it did, and which GPU it uses."""
        env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        env.update(KIT_TRUTH=os.path.join(place, "truth.json"), UNDERSPAN_COLLECTOR=self.collector)
        if self.double:
            env["KIT_DOUBLE"] = self.double
        env.update(more or {})
        return env


class Run:
    """A program that runs or ran, what it says it did, and its capture."""

    def __init__(self, kit, place, capture, words, env):
        self.kit = kit
        self.place = place
        self.capture = capture
        self.words = words
        self.log = os.path.join(place, "log.txt")
        self.started = kit.clock()
        with open(self.log, "wb") as log:
            # A group of its own, so that all of it can be ended when it takes too long.
            self.process = subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True)

    def wait(self, limit, expected=0):
        """Waits for the end; fails unless it is the expected one."""
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.end()
            raise Failed("{} took more than {:.0f} s: {}".format(self.name, limit, self.said()))
        self.seconds = self.kit.clock() - self.started
        if expected is not None and code != expected:
            raise Failed("{} ended with {}: {}".format(self.name, code, self.said()))
        return code

    def end(self):
        """Ends the program and everything that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    @property
    def name(self):
        return os.path.basename(self.place)

    def said(self):
        """The end of what it printed."""
        with open(self.log, errors="replace") as file:
            return tail(file.read())

    @property
    def truth(self):
        """What the program says it did."""
        with open(os.path.join(self.place, "truth.json")) as file:
            return json.load(file)

    def info(self):
        """What `underspan info` says of the capture."""
        if not os.path.exists(self.capture):
            raise Failed("{}: nothing was recorded: {}".format(self.name, self.said()))
        return json.loads(self.kit.ask("info", self.capture, "--format", "json"))

    def stats(self, table):
        """A table of `underspan stats`."""
        return json.loads(self.kit.ask("stats", self.capture, "--report", table, "--format", "json"))

    def work(self):
        """The GPU work of the capture."""
        return compare.of_capture(self.info(), self.stats("kernels"))

    def bytes(self):
        """Size of the capture."""
        return os.path.getsize(self.capture)


def tail(text, n_bytes=600):
    """The end of a text."""
    return text.strip()[-n_bytes:]

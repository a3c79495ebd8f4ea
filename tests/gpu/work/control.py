"""Talks to the collector in this process through its socket, as `underspan record --pid` does."""

import contextlib
import json
import os
import socket


class Collector:
    """The collector of this process; does nothing when there is none."""

    def __init__(self):
        pattern = os.environ.get("UNDERSPAN_SOCKET")
        self.path = pattern and pattern.replace("%p", str(os.getpid()))

    def ask(self, line):
        """Sends a line; the answer as an object."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(self.path)
            client.sendall(line.encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                part = client.recv(65536)
                if not part:
                    break
                answer += part
        told = json.loads(answer)
        if not told["ok"]:
            raise RuntimeError("{}: {}".format(line, told["error"]))
        return told

    def arm(self, kinds):
        if self.path:
            self.ask("arm " + kinds)

    def disarm(self):
        if self.path:
            self.ask("disarm")

    def status(self):
        return self.ask("status") if self.path else {}


@contextlib.contextmanager
def recorded(gpu, kinds):
    """Records what is done on a GPU meanwhile, and nothing else of this process: it was started
    with `underspan record --delay`, which leaves the moment to it."""
    collector = Collector()
    gpu.sync()
    collector.arm(kinds)
    yield collector
    gpu.sync()
    collector.disarm()

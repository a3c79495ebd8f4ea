"""After SIGKILL the capture reads and has everything up to the last flush."""

import os
import signal
import time

from recording import Failed

SECONDS = 15


def run(kit, result):
    run = kit.begin("killed", "killed.py")
    truth = os.path.join(run.place, "truth.json")
    until = kit.clock() + kit.limit(60)
    while not os.path.exists(truth):
        if run.process.poll() is not None or kit.clock() > until:
            run.end()
            raise Failed("it did not launch anything: " + run.said())
        time.sleep(0.05)
    os.kill(run.truth["pid"], signal.SIGKILL)
    # The launcher ends as its command did.
    result.check("how the launcher ends", -signal.SIGKILL, run.wait(kit.limit(60), expected=None))
    info = run.info()
    spins = sum(row["count"] for row in run.stats("kernels") if "spin" in row["name"])
    result.at_least("kernels that had ended a second before", run.truth["kernels"], spins)
    result.check("trust is damaged", False, info["trust"] == "damaged")

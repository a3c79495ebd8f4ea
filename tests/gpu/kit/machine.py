"""What this machine is, and whether the kit can run on it."""

import json
import os
import platform
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
COLLECTOR = "libunderspan_collector.so"

# In a child: a driver that does not work may take the process with it.
PROBE = """
import json, torch
facts = {"torch": torch.__version__, "cuda": torch.version.cuda, "gpus": []}
if torch.cuda.is_available():
    for n in range(torch.cuda.device_count()):
        p = torch.cuda.get_device_properties(n)
        facts["gpus"].append({"name": p.name, "memory_bytes": p.total_memory,
                              "compute_capability": "%d.%d" % (p.major, p.minor)})
print(json.dumps(facts))
"""


class CannotRun(Exception):
    """The kit lacks something that is no GPU."""


def probed(python=sys.executable):
    """What torch says about GPUs, or a text that says why it says nothing."""
    try:
        done = subprocess.run(
            [python, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return lines[-1] if lines else "it ended with {}".format(done.returncode)
    return json.loads(done.stdout.strip().splitlines()[-1])


def why_not(probe=probed):
    """Why there is nothing to do here; None when there is a GPU."""
    facts = probe()
    if isinstance(facts, str):
        return "no GPU acceptance: torch cannot be asked for a GPU: " + facts
    if not facts["gpus"]:
        return "no GPU acceptance: torch {} finds no GPU".format(facts["torch"])
    return None


def programs(folder=None):
    """The folder of the underspan command and the collector; builds them in a checkout without."""
    candidates = [folder] if folder else [os.path.join(ROOT, "target", "release")]
    for candidate in candidates:
        if has_programs(candidate):
            return os.path.abspath(candidate)
    if folder:
        raise CannotRun("{}: underspan and {} are not there".format(folder, COLLECTOR))
    command = ["cargo", "build", "--release", "--locked", "-p", "underspan", "-p", "underspan-collector"]
    try:
        built = subprocess.run(command, cwd=ROOT).returncode == 0
    except OSError as error:
        raise CannotRun("underspan is not built and cannot be: {}".format(error))
    if not built or not has_programs(candidates[0]):
        raise CannotRun("underspan cannot be built: " + " ".join(command))
    return candidates[0]


def has_programs(folder):
    """Whether the command and the collector are in a folder (or, as Cargo has it, below it)."""
    collectors = [os.path.join(folder, COLLECTOR), os.path.join(folder, "deps", COLLECTOR)]
    return os.path.isfile(os.path.join(folder, "underspan")) and any(map(os.path.isfile, collectors))


def facts(kit):
    """The head of the results: machine, versions, programs."""
    told = {"python": platform.python_version(), "system": platform.platform(), "underspan": kit.version()}
    if kit.double:
        told["gpu"] = "the driver double"
        return told
    probe = probed()
    if not isinstance(probe, str):
        told.update({"torch": probe["torch"], "cuda": probe["cuda"], "gpus": probe["gpus"]})
    told["driver"] = driver()
    return told


def driver():
    """The driver's version, as the kernel module says it."""
    try:
        with open("/proc/driver/nvidia/version") as file:
            return file.readline().strip()
    except OSError:
        return "unknown"

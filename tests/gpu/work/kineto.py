"""torch.profiler starts and stops in a process that is being recorded: kernels before it, during
it and after it.

usage: kineto.py KERNELS"""

import json
import os
import sys
import time

import control
import gpu

if __name__ == "__main__":
    n_kernels = int(sys.argv[1])
    device = gpu.gpu_here(layers=1, hidden=128)
    collector = control.Collector()
    stream = device.stream()

    def launch():
        for _ in range(n_kernels):
            device.spin(stream, 20)
        device.sync()

    launch()
    collector.ask("flush")
    before = collector.status()["records"]
    trace = os.environ["KIT_TRUTH"].replace(".json", ".trace.json")
    with device.profiled(trace):
        launch()
    # Longer than the collector waits before it suspects another profiler.
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        launch()
    collector.ask("flush")
    between = collector.status()["records"]
    launch()
    collector.ask("flush")
    n_after = collector.status()["records"] - between
    with open(trace) as file:
        seen = [event for event in json.load(file)["traceEvents"] if event.get("cat") == "kernel"]
    gpu.write_truth(kernels=n_kernels, profiler_saw=len(seen), records_before=before, records_after=n_after)

"""Steps of a model, launched one kernel at a time and then as a graph, in one window that is
recorded either by torch.profiler or by underspan.

usage: loop.py STEPS {profiler|KINDS}"""

import os
import sys

import control
import gpu

if __name__ == "__main__":
    n_steps, by = int(sys.argv[1]), sys.argv[2]
    device = gpu.gpu_here()
    replay = device.capture()
    replay()
    device.sync()
    trace = os.environ["KIT_TRUTH"].replace(".json", ".trace.json")
    with device.profiled(trace) if by == "profiler" else control.recorded(device, by):
        for _ in range(n_steps):
            device.step()
        for _ in range(n_steps):
            replay()
    gpu.write_truth(steps=n_steps, trace=trace)

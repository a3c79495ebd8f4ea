"""Launches until it is killed. Says how many kernels had ended a second before it asks for that.

usage: killed.py"""

import os
import time

import gpu

if __name__ == "__main__":
    device = gpu.gpu_here(layers=1, hidden=128)
    stream = device.stream()
    n_kernels, started, said_at = 0, time.monotonic(), None
    # A bound, should nobody kill it.
    while time.monotonic() < started + 60:
        for _ in range(20):
            device.spin(stream, 20)
        device.sync()
        n_kernels += 20
        if said_at is None and time.monotonic() > started + 1:
            said_at, counted = time.monotonic(), n_kernels
        elif said_at is not None and time.monotonic() > said_at + 1:
            gpu.write_truth(pid=os.getpid(), kernels=counted)
            said_at = float("inf")

"""Kernels whose lengths CUDA events measure too, and host times around each.

usage: clock.py KINDS KERNELS MICROSECONDS"""

import statistics
import sys

import control
import gpu

if __name__ == "__main__":
    kinds, n_kernels, microseconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    device = gpu.gpu_here(layers=1, hidden=128)
    stream = device.stream()
    device.spin(stream, microseconds)
    device.sync()
    with control.recorded(device, kinds):
        lengths_ns = [device.timed_spin(stream, microseconds) for _ in range(n_kernels)]
    gpu.write_truth(kernels=n_kernels, median_ns=statistics.median(lengths_ns))

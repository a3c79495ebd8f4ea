"""Replays a graph of short kernels until so many have run, or the time is over.

usage: soak.py KINDS NODES KERNELS SECONDS"""

import sys
import time

import control
import gpu

if __name__ == "__main__":
    kinds, n_nodes, n_wanted, seconds = sys.argv[1], *map(int, sys.argv[2:5])
    device = gpu.gpu_here(layers=1, hidden=128)
    replay = device.capture(device.tiny_kernels(n_nodes))
    device.sync()
    started = time.monotonic()
    for _ in range(50):
        replay()
    device.sync()
    plain_ns = 1e9 * (time.monotonic() - started) / (50 * n_nodes)
    deadline = time.monotonic() + seconds
    n_replays, used = 0, [device.memory_bytes()]
    with control.recorded(device, kinds) as collector:
        while n_replays * n_nodes < n_wanted and time.monotonic() < deadline:
            for _ in range(50):
                replay()
            n_replays += 50
            device.sync()
            used.append(device.memory_bytes())
        elapsed = time.monotonic() - deadline + seconds
    status = collector.status()
    gpu.write_truth(kernels=n_replays * n_nodes, seconds=elapsed, plain_ns=plain_ns, status=status,
                    memory_at_start=used[0], memory_at_most=max(used))

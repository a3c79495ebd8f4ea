"""Kernels on several streams at once, with copies in both directions between them.

usage: streams.py KINDS STREAMS KERNELS COPIES"""

import sys

import control
import gpu

COPY_BYTES = 1 << 20

if __name__ == "__main__":
    kinds, n_streams, n_kernels, n_copies = sys.argv[1], *map(int, sys.argv[2:5])
    device = gpu.gpu_here(layers=1, hidden=128)
    streams = [device.stream() for _ in range(n_streams)]
    # The first copy of a size makes its buffers.
    for to_device in (True, False):
        device.copy(streams[0], COPY_BYTES, to_device)
    with control.recorded(device, kinds):
        for n in range(n_kernels):
            for stream in streams:
                device.spin(stream, 50)
                if n < n_copies:
                    device.copy(stream, COPY_BYTES, n % 2 == 0)
    each_way = [n_streams * len(range(first, n_copies, 2)) for first in (0, 1)]
    gpu.write_truth(streams=n_streams, kernels=n_streams * n_kernels, to_device=each_way[0], to_host=each_way[1],
                    copy_bytes=COPY_BYTES)

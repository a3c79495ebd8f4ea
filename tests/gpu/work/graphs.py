"""A graph of many short kernels, replayed. Recording begins before the graph is made, or after.

usage: graphs.py KINDS {early|late} NODES REPLAYS"""

import sys

import control
import gpu

if __name__ == "__main__":
    kinds, when, n_nodes, n_replays = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    device = gpu.gpu_here(layers=1, hidden=128)
    body = device.tiny_kernels(n_nodes)
    if when == "late":
        replay = device.capture(body)
        for _ in range(3):
            replay()
    with control.recorded(device, kinds):
        if when == "early":
            replay = device.capture(body)
        for _ in range(n_replays):
            replay()
    gpu.write_truth(nodes=n_nodes, replays=n_replays)

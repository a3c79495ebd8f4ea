"""A server with workers: spawned ones that use the GPU, forked ones that must not.

usage: workers.py SPAWNED FORKED KERNELS"""

import multiprocessing
import os
import sys

import gpu


def work(n_kernels):
    device = gpu.gpu_here(layers=1, hidden=128)
    stream = device.stream()
    for _ in range(n_kernels):
        device.spin(stream, 20)
    device.sync()


def forked(leaves):
    """A child of fork that leaves by this function; answers its exit code."""
    child = os.fork()
    if child == 0:
        leaves(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    n_spawned, n_forked, n_kernels = map(int, sys.argv[1:4])
    codes = [forked(sys.exit) for _ in range(n_forked)]
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=work, args=(n_kernels,)) for _ in range(n_spawned)]
    for child in children:
        child.start()
    work(n_kernels)
    # With a context the driver's exit handlers are not for children of fork.
    codes += [forked(os._exit) for _ in range(n_forked)]
    for child in children:
        child.join()
        codes.append(child.exitcode)
    gpu.write_truth(processes=n_spawned + 1, kernels=(n_spawned + 1) * n_kernels, codes=codes)

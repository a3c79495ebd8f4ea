"""Decodes token by token in blocks of equal length, without and with recording by turns, so that
what recording costs is measured against the same process a second earlier.

usage: blocks.py {never|KINDS} {eager|graph} PAIRS SECONDS"""

import sys

import control
import gpu


def block(device, step, seconds, is_armed):
    """Decodes for so long; a token of the batch is there when the device is done with it."""
    itl_ns = []
    started = last = gpu.now_ns()
    until = started + int(1e9 * seconds)
    while last < until:
        step()
        device.sync()
        now = gpu.now_ns()
        itl_ns.append(now - last)
        last = now
    elapsed = (last - started) / 1e9
    return {"armed": is_armed, "tokens": len(itl_ns) * device.batch, "seconds": elapsed, "itl_ns": itl_ns}


if __name__ == "__main__":
    kinds, mode, n_pairs, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    device = gpu.gpu_here()
    step = device.capture() if mode == "graph" else device.step
    collector = control.Collector()
    block(device, step, seconds, False)
    blocks = []
    for n in range(2 * n_pairs):
        is_armed = kinds != "never" and n % 2 == 1
        if is_armed:
            collector.arm(kinds)
        blocks.append(block(device, step, seconds, is_armed))
        if is_armed:
            collector.disarm()
    gpu.write_truth(blocks=blocks, status=collector.status())

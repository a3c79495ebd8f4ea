"""What the programs here do on a GPU: steps of a small model, graphs of them, streams, copies.

With torch on a real GPU; on the CUDA driver of tests/fake-driver when KIT_DOUBLE names it, which
makes the same records of no work at all. Each program writes what it did to KIT_TRUTH."""

import contextlib
import ctypes
import json
import os
import time


def gpu_here(**sizes):
    """The GPU of this process."""
    double = os.environ.get("KIT_DOUBLE")
    return DoubleGpu(double) if double else TorchGpu(**sizes)


def write_truth(**facts):
    """Leaves what this program did, whole or not at all."""
    path = os.environ["KIT_TRUTH"]
    with open(path + ".incomplete", "w") as file:
        json.dump(facts, file)
    os.replace(path + ".incomplete", path)


class TorchGpu:
    """torch on the first GPU, or on the CPU (for trying programs out)."""

    def __init__(self, layers=8, hidden=1024, batch=16, context=512):
        import torch

        self.torch = torch
        self.is_cuda = torch.cuda.is_available()
        self.device = torch.device("cuda" if self.is_cuda else "cpu")
        self.batch = batch
        with torch.no_grad():
            self.model = Decoder(torch, self.device, layers, hidden, batch, context)
        self.buffers = {}
        for _ in range(3):
            self.step()
        self.sync()

    def step(self):
        """One token for each of the batch."""
        with self.torch.no_grad():
            self.model.step()

    def sync(self):
        if self.is_cuda:
            self.torch.cuda.synchronize()

    def capture(self, body=None):
        """A graph of `body`, by default of a step; answers what launches it."""
        body = body or self.step
        if not self.is_cuda:
            return body
        torch = self.torch
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                body()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            body()
        self.sync()
        return graph.replay

    def tiny_kernels(self, n):
        """A body of `n` kernels as short as kernels get."""
        torch = self.torch
        numbers = torch.zeros(1, device=self.device)

        def body():
            for _ in range(n):
                numbers.add_(1)

        body()
        self.sync()
        return body

    def stream(self):
        return self.torch.cuda.Stream() if self.is_cuda else None

    def spin(self, stream, microseconds):
        """One kernel that keeps a stream busy for about so long."""
        if self.is_cuda:
            with self.torch.cuda.stream(stream):
                self.torch.cuda._sleep(int(1500 * microseconds))

    def timed_spin(self, stream, microseconds):
        """The same, and how long CUDA events say that it took, in nanoseconds."""
        if not self.is_cuda:
            return 0.0
        before, after = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record(stream)
        self.spin(stream, microseconds)
        after.record(stream)
        self.sync()
        return 1e6 * before.elapsed_time(after)

    def copy(self, stream, n_bytes, to_device, pinned=True):
        """One copy between host and device."""
        torch = self.torch
        key = (n_bytes, pinned)
        if key not in self.buffers:
            pin = pinned and self.is_cuda
            host = torch.zeros(n_bytes, dtype=torch.uint8, pin_memory=pin)
            self.buffers[key] = (host, torch.empty(n_bytes, dtype=torch.uint8, device=self.device))
            self.sync()
        host, device = self.buffers[key]
        to, source = (device, host) if to_device else (host, device)
        with self.torch.cuda.stream(stream) if self.is_cuda else contextlib.nullcontext():
            to.copy_(source, non_blocking=pinned)

    @contextlib.contextmanager
    def profiled(self, path):
        """Records with torch.profiler into a Chrome trace."""
        activities = [self.torch.profiler.ProfilerActivity.CPU]
        if self.is_cuda:
            activities.append(self.torch.profiler.ProfilerActivity.CUDA)
        with self.torch.profiler.profile(activities=activities) as profiler:
            yield
            self.sync()
        profiler.export_chrome_trace(path)

    def memory_bytes(self):
        """Memory of the device that is in use, whoever uses it."""
        if not self.is_cuda:
            return 0
        free, total = self.torch.cuda.mem_get_info()
        return total - free


class Decoder:
    """A decoder-only transformer with random weights: one token for each sequence of a batch per
    step, all in tensors that stay where they are, so that a step can be made a graph."""

    HEAD = 64

    def __init__(self, torch, device, layers, hidden, batch, context):
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        torch.manual_seed(1)

        def weight(n_in, n_out):
            return (torch.randn(n_in, n_out, device=device) / n_in**0.5).to(dtype)

        self.torch, self.hidden, self.batch, self.context = torch, hidden, batch, context
        self.embedding = weight(2048, hidden)
        shapes = {"qkv": 3 * hidden, "out": hidden, "up": 4 * hidden}
        self.layers = [dict({key: weight(hidden, n) for key, n in shapes.items()}, down=weight(4 * hidden, hidden))
                       for _ in range(layers)]
        heads = hidden // self.HEAD
        for layer in self.layers:
            layer["keys"] = torch.zeros(batch, heads, context, self.HEAD, device=device, dtype=dtype)
            layer["values"] = torch.zeros_like(layer["keys"])
        self.tokens = torch.zeros(batch, dtype=torch.long, device=device)
        self.position = torch.zeros(1, dtype=torch.long, device=device)
        self.places = torch.arange(context, device=device)

    def step(self):
        functional = self.torch.nn.functional
        norm = lambda x: functional.rms_norm(x, (self.hidden,))
        x = self.embedding[self.tokens]
        seen = (self.places <= self.position)[None, None, None, :]
        for layer in self.layers:
            q, k, v = (norm(x) @ layer["qkv"]).view(self.batch, 3, -1, 1, self.HEAD).unbind(1)
            layer["keys"].index_copy_(2, self.position, k)
            layer["values"].index_copy_(2, self.position, v)
            attended = functional.scaled_dot_product_attention(q, layer["keys"], layer["values"], attn_mask=seen)
            x = x + attended.reshape(self.batch, self.hidden) @ layer["out"]
            x = x + functional.silu(norm(x) @ layer["up"]) @ layer["down"]
        self.tokens.copy_((norm(x) @ self.embedding.t()).argmax(-1))
        self.position.add_(1).remainder_(self.context)


class DoubleGpu:
    """The driver double: kernels with names and lengths, and nothing computed."""

    # Name and length in nanoseconds of the kernels of a step.
    STEP = [("_Z8rms_normPKfPf", 3000), ("void gemm<128, 64>(float const*, float*)", 20000), ("silu", 2500)]
    batch = 16
    is_cuda = True

    def __init__(self, path):
        self.driver = ctypes.CDLL(path)
        self.functions = {}
        self.counts = {}
        self.must("cuInit", 0)
        self.main = self.stream()

    def must(self, function, *arguments):
        code = getattr(self.driver, function)(*arguments)
        if code != 0:
            raise RuntimeError("{} answers {}".format(function, code))

    def kernel(self, name, length_ns, stream):
        if name not in self.functions:
            function = ctypes.c_void_p()
            self.must("cuModuleGetFunction", ctypes.byref(function), None, name.encode())
            self.functions[name] = function
        self.driver.fake_driver_next(ctypes.c_uint64(length_ns), 32, 0)
        sizes = [ctypes.c_uint(n) for n in (4, 1, 1, 128, 1, 1, 0)]
        self.must("cuLaunchKernel", self.functions[name], *sizes, stream, None, None)
        count, total = self.counts.get(name, (0, 0))
        self.counts[name] = (count + 1, total + length_ns)

    def step(self):
        for name, length_ns in self.STEP:
            self.kernel(name, length_ns, self.main)

    def sync(self):
        self.must("cuCtxSynchronize")

    def capture(self, body=None):
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        before = dict(self.counts)
        self.must("cuStreamBeginCapture_v2", self.main, 0)
        (body or self.step)()
        self.must("cuStreamEndCapture", self.main, ctypes.byref(graph))
        self.must("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_uint64(0))
        zero = (0, 0)
        nodes = {n: [a - b for a, b in zip(self.counts[n], before.get(n, zero))] for n in self.counts}
        self.counts = before

        def replay():
            self.must("cuGraphLaunch", executable, self.main)
            for name, (count, total) in nodes.items():
                known = self.counts.get(name, zero)
                self.counts[name] = (known[0] + count, known[1] + total)

        return replay

    def tiny_kernels(self, n):
        def body():
            for _ in range(n):
                self.kernel("tiny", 900, self.main)

        return body

    def stream(self):
        stream = ctypes.c_void_p()
        self.must("cuStreamCreate", ctypes.byref(stream), 0)
        return stream

    def spin(self, stream, microseconds):
        self.kernel("spin", int(1000 * microseconds), stream)

    def timed_spin(self, stream, microseconds):
        self.spin(stream, microseconds)
        self.sync()
        return 1000.0 * microseconds

    def copy(self, stream, n_bytes, to_device, pinned=True):
        function = "cuMemcpyHtoDAsync_v2" if to_device else "cuMemcpyDtoHAsync_v2"
        self.must(function, ctypes.c_uint64(0), ctypes.c_uint64(0), ctypes.c_size_t(n_bytes), stream)

    @contextlib.contextmanager
    def profiled(self, path):
        """Writes what was launched meanwhile as torch.profiler would."""
        self.counts = {}
        yield
        self.sync()
        events, now_us = [], 0.0
        for name, (count, total_ns) in self.counts.items():
            name = {"_Z8rms_normPKfPf": "rms_norm(float const*, float*)"}.get(name, name)
            for _ in range(count):
                length_us = total_ns / count / 1000
                events.append({"ph": "X", "cat": "kernel", "name": name, "ts": now_us, "dur": length_us, "args": {}})
                now_us += length_us
        with open(path, "w") as file:
            json.dump({"traceEvents": events}, file)

    def memory_bytes(self):
        return 0


def now_ns():
    return time.perf_counter_ns()

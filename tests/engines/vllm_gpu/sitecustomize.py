"""Gives vLLM's worker on the CPU a CUDA driver: the double of `tests/fake-driver`.

UNDERSPAN_DRIVER_DOUBLE names its library. Like the real driver it loads what CUDA_INJECTION64_PATH
names as it is initialised, which is how the collector gets into the worker. Each forward pass launches
the kernels of a small model on it, in the place where a GPU's model runner launches them; what the
model computes is still computed by the CPU. UNDERSPAN_CUPTI names the libcupti double that records
them: PyPI's torch brings one of its own, here one of the stand-ins of vllm_cpu/. `run_vllm.py` puts
this folder on PYTHONPATH.
"""

import ctypes
import os
import sys

_WORKER = "vllm.v1.worker.cpu_worker"
_LAYERS = 2
# Kernels of a layer, as vLLM launches them, and thread blocks for each token.
_KERNELS = [
    ("void vllm::fused_add_rms_norm_kernel<c10::BFloat16, 8>(c10::BFloat16*, long, c10::BFloat16*)", 1),
    ("ampere_bf16_s16816gemm_bf16_128x64_ldg8_f2f_stages_32x6_tn", 4),
    ("void flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<64, 64, 128, 4>>(Flash_fwd_params)", 2),
    ("ampere_bf16_s16816gemm_bf16_64x64_ldg8_f2f_stages_64x5_tn", 2),
]


class _Finder:
    """Patches the worker's module once it has run."""

    def find_spec(self, name, path=None, target=None):
        if name != _WORKER:
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            _patch(module.CPUWorker)

        spec.loader.exec_module = exec_module
        return spec


class _Device:
    """A stream of the double, and the model's kernels."""

    def __init__(self):
        self._driver = ctypes.CDLL(os.environ["UNDERSPAN_DRIVER_DOUBLE"])
        self._check("cuInit", 0)
        self._stream = ctypes.c_void_p()
        self._check("cuStreamCreate", ctypes.byref(self._stream), 0)
        self._kernels = []
        for name, n_blocks in _KERNELS:
            function = ctypes.c_void_p()
            self._check("cuModuleGetFunction", ctypes.byref(function), None, name.encode())
            self._kernels.append((function, n_blocks))

    def forward(self, n_tokens):
        """Launches a forward pass."""
        for _ in range(_LAYERS):
            for function, n_blocks in self._kernels:
                shape = (n_blocks * n_tokens, 1, 1, 128, 1, 1, 0)
                self._check("cuLaunchKernel", function, *shape, self._stream, None, None)

    def wait(self):
        """Until everything is done."""
        self._check("cuStreamSynchronize", self._stream)

    def _check(self, name, *arguments):
        code = getattr(self._driver, name)(*arguments)
        if code:
            raise OSError("{}: {}".format(name, code))


def _patch(worker):
    load = worker.load_model

    def load_model(self, *args, **kwargs):
        result = load(self, *args, **kwargs)
        # When CUDA is initialised by the worker of a GPU: in its own process, before any step.
        device, run = _Device(), self.model_runner.execute_model

        def execute_model(scheduler_output, *args, **kwargs):
            n_tokens = scheduler_output.total_num_scheduled_tokens
            if n_tokens:
                device.forward(n_tokens)
            result = run(scheduler_output, *args, **kwargs)
            device.wait()
            return result

        self.model_runner.execute_model = execute_model
        return result

    worker.load_model = load_model


if os.environ.get("UNDERSPAN_DRIVER_DOUBLE"):
    sys.meta_path.insert(0, _Finder())

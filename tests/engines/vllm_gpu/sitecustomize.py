"""Gives vLLM's worker on the CPU a CUDA driver: the double of `tests/fake-driver`.

UNDERSPAN_DRIVER_DOUBLE names its library. Like the real driver it loads what CUDA_INJECTION64_PATH
names as it is initialised, which is how the collector gets into the worker. There is no device work
to record: PyPI's torch brings its own libcupti, here one of the stand-ins of vllm_cpu/. `run_vllm.py`
puts this folder on PYTHONPATH.
"""

import ctypes
import os
import sys

_WORKER = "vllm.v1.worker.cpu_worker"


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


def _patch(worker):
    load = worker.load_model

    def load_model(self, *args, **kwargs):
        result = load(self, *args, **kwargs)
        # When CUDA is initialised by the worker of a GPU: in its own process, before any step.
        code = ctypes.CDLL(os.environ["UNDERSPAN_DRIVER_DOUBLE"]).cuInit(0)
        if code:
            raise OSError("cuInit: {}".format(code))
        return result

    worker.load_model = load_model


if os.environ.get("UNDERSPAN_DRIVER_DOUBLE"):
    sys.meta_path.insert(0, _Finder())

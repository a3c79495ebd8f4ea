"""Which modules of which engines are patched, by what, and with which versions that was tried.

Nothing depends on the versions listed: a patch looks at what it patches. They say what a note
calls tried. Versions are read from the engine's own modules, never through importlib.metadata,
since a build may carry another distribution name.
"""

import sys

# Module of an engine -> (module of this package, function in it that patches).
TARGETS = {
    "vllm.v1.worker.gpu_worker": ("vllm", "patch_worker"),
    "vllm.v1.worker.cpu_worker": ("vllm", "patch_worker"),
    "vllm.v1.worker.xpu_worker": ("vllm", "patch_worker"),
    "vllm.v1.worker.tpu_worker": ("vllm", "patch_worker"),
    "vllm.v1.engine.async_llm": ("vllm", "patch_async_llm"),
    "sglang.srt.managers.scheduler": ("sglang", "patch_scheduler"),
    "sglang.srt.managers.tokenizer_manager": ("sglang", "patch_tokenizer_manager"),
    "transformers.generation.continuous_batching.continuous_api": (
        "transformers",
        "patch_continuous_batching",
    ),
    "transformers.generation.utils": ("generate", "patch_generate"),
    "starlette.applications": ("asgi", "patch_starlette"),
}

# Engine -> (module with its version, attribute, oldest tried, newest tried).
VERSIONS = {
    "vllm": (("vllm._version", "vllm.version"), "__version__", (0, 10), (0, 33)),
    "sglang": (("sglang.version", "sglang"), "__version__", (0, 5), (0, 6)),
    "transformers": (("transformers",), "__version__", (4, 50), (6, 0)),
    "starlette": (("starlette",), "__version__", (0, 30), (2, 0)),
}


def version_of(engine):
    """The engine's version and whether the hook was tried with it. Imports nothing."""
    modules, attribute, oldest, newest = VERSIONS[engine]
    for name in modules:
        version = getattr(sys.modules.get(name), attribute, None)
        if isinstance(version, str):
            return version[:64], oldest <= _numbers(version) <= newest
    return "unknown", False


def _numbers(version):
    numbers = []
    for piece in version.split(".")[:2]:
        digits = ""
        for character in piece:
            if not character.isdigit():
                break
            digits += character
        numbers.append(int(digits or 0))
    return tuple(numbers)

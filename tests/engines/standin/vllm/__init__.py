"""A stand-in for vLLM: the classes, methods and life cycle that the hook meets, and no model."""

from vllm._version import __version__

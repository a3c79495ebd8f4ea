"""Stand-in package."""

from sglang.version import __version__

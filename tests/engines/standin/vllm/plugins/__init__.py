"""Plug-ins are found by entry points, filtered by VLLM_PLUGINS, and loaded in every process."""

import os

_loaded = False


def load_general_plugins():
    """Calls every plug-in of the general group."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    from importlib.metadata import entry_points

    try:
        found = entry_points(group="vllm.general_plugins")
    except TypeError:
        found = entry_points().get("vllm.general_plugins", ())
    allowed = os.environ.get("VLLM_PLUGINS")
    allowed = None if allowed is None else allowed.split(",")
    for plugin in found:
        if allowed is None or plugin.name in allowed:
            plugin.load()()

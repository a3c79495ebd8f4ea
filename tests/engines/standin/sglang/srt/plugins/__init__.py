"""Plug-ins are found by entry points."""


def load_plugins():
    """Calls every plug-in of the group."""
    from importlib.metadata import entry_points

    try:
        found = entry_points(group="sglang.srt.plugins")
    except TypeError:
        found = entry_points().get("sglang.srt.plugins", ())
    for plugin in found:
        plugin.load()()

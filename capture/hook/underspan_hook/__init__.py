"""Tells underspan which requests were in which engine step.

Found by vLLM and SGLang through the entry points of the folder this package lies in, and by every
other Python program through `sitecustomize`. `register` only notes what to patch: an engine's
modules are patched right after the engine itself has imported them.
"""

__version__ = "0.1.0"


def register():
    """Installs the hook in this process. May be called any number of times; never raises."""
    try:
        import os

        if os.environ.get("UNDERSPAN_HOOK_DIR") or os.environ.get("UNDERSPAN_COLLECTOR"):
            from . import imports

            imports.install()
    except Exception:
        pass

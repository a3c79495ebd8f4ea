"""Patches an engine's modules right after the engine has imported them.

Nothing is imported early: a finder in front of the others recognises the few modules that matter,
lets the other finders find them, and runs a patch when the module has run.
"""

import importlib
import sys

from .targets import TARGETS

_installed = False


class _Finder:
    """Finds nothing itself, and marks what is to be patched."""

    def __init__(self):
        self._busy = set()

    def find_spec(self, name, path=None, target=None):
        if name not in TARGETS or name in self._busy:
            return None
        self._busy.add(name)
        try:
            for finder in list(sys.meta_path):
                find_spec = getattr(finder, "find_spec", None)
                if finder is self or find_spec is None:
                    continue
                spec = find_spec(name, path, target)
                if spec is not None:
                    break
            else:
                return None
        finally:
            self._busy.discard(name)
        if spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader:
    """Runs a module with its own loader, then patches it."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # The module sees its own loader, as without this hook.
        module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        patch(module.__name__, module)


def install():
    """Installs the finder and patches what is imported already."""
    global _installed
    if _installed:
        return
    _installed = True
    sys.meta_path.insert(0, _Finder())
    for name in TARGETS:
        module = sys.modules.get(name)
        if module is not None:
            patch(name, module)


def patch(name, module):
    """Patches one module and notes what came of it. Never raises."""
    part, where = TARGETS[name]
    from . import recorder

    try:
        patches = importlib.import_module("underspan_hook." + part)
        getattr(patches, where)(module)
    except Exception:
        recorder.disable(part, name)

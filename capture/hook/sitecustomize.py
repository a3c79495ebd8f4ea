"""Loaded by every interpreter that has this folder on PYTHONPATH: installs the hook, then runs
the sitecustomize that this file hides, if there is one."""


def _install():
    try:
        import underspan_hook

        underspan_hook.register()
    except Exception:
        # Without the hook the program runs as if this file were not there.
        pass


def _run_hidden():
    import importlib.util
    import sys
    from importlib.machinery import PathFinder
    from os.path import dirname, realpath

    here = realpath(dirname(__file__))
    rest = [entry for entry in sys.path if realpath(entry or ".") != here]
    spec = PathFinder.find_spec("sitecustomize", rest)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_install()
_run_hidden()

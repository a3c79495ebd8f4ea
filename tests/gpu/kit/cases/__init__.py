"""The cases, in the order in which they run: the surest first, the longest last."""

from collections import namedtuple

from . import clock, doctor, fidelity, flush, generate, graphs, kineto, killed, overhead, soak, streams, workers

# Its name, how long it takes at most on a GPU, what it shows, and what runs it.
Case = namedtuple("Case", "name seconds about run")

MODULES = [doctor, fidelity, graphs, streams, clock, workers, killed, kineto, overhead, flush, generate, soak]
ALL = [Case(module.__name__.rsplit(".", 1)[-1], module.SECONDS, module.__doc__.splitlines()[0], module.run)
       for module in MODULES]


class Unknown(Exception):
    """There is no such case."""


def chosen(names=None):
    """The cases of these names, with commas between; all without."""
    if not names:
        return ALL
    known = {case.name: case for case in ALL}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise Unknown("no case {!r}; there are {}".format(name, ", ".join(known)))
    return [case for case in ALL if case.name in wanted]

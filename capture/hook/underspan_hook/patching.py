"""Replacing a method by one that calls it."""

import functools

from . import recorder
from .targets import version_of

_MARK = "__underspan__"


def wrap(engine, owner, name, make):
    """Replaces `owner.name`, defined by `owner` itself, by `make(original)`, and notes it.

    Returns whether it did: a class that does not define the method is left alone.
    """
    original = owner.__dict__.get(name)
    if original is None or getattr(original, _MARK, False):
        return False
    if not callable(original):
        return False
    wrapper = functools.wraps(original)(make(original))
    setattr(wrapper, _MARK, True)
    setattr(owner, name, wrapper)
    version, tried = version_of(engine)
    recorder.note(
        "patched",
        engine=engine,
        version=version,
        tried=tried,
        target="{}.{}.{}".format(owner.__module__, owner.__qualname__, name),
    )
    return True


def require(engine, owner, name, make):
    """As `wrap`, and notes when there is nothing to wrap."""
    if not wrap(engine, owner, name, make) and not _is_wrapped(owner, name):
        missing(engine, "{}.{}".format(getattr(owner, "__qualname__", owner), name))


def missing(engine, what):
    """Notes that an engine lacks what the hook needs."""
    version, tried = version_of(engine)
    recorder.note("missing", engine=engine, version=version, tried=tried, target=what)


def _is_wrapped(owner, name):
    return any(getattr(base.__dict__.get(name), _MARK, False) for base in owner.__mro__)

"""The HTTP request that the running code works for, as far as the ASGI middleware has seen it."""

import contextvars
import re
import time

from . import wire

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
# As long as any id in use, and too short to carry a prompt.
_ID_LIMIT = 256

_current = contextvars.ContextVar("underspan_request", default=None)


class HttpRequest:
    """Names of one HTTP request and when it came."""

    __slots__ = ("traceparent", "x_request_id", "received_ns", "is_claimed", "is_over")

    def __init__(self, traceparent, x_request_id):
        self.traceparent = traceparent
        self.x_request_id = x_request_id
        self.received_ns = time.monotonic_ns()
        self.is_claimed = False
        self.is_over = False


def current():
    """The HTTP request being served, or `None`. Tasks that a request starts and that outlive it
    no longer work for it."""
    request = _current.get()
    return None if request is None or request.is_over else request


def enter(request):
    """Makes `request` the one being served; returns what `leave` needs."""
    return _current.set(request)


def leave(request, token):
    """Undoes `enter`."""
    request.is_over = True
    _current.reset(token)


def clean_traceparent(value):
    """A traceparent of the W3C form, or `None`."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    value = value.strip().lower()
    return value if _TRACEPARENT.match(value) else None


def clean_id(value):
    """An id of sensible length, or `None`."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if not isinstance(value, str):
        return None
    return value[:_ID_LIMIT] or None


def fields(member, external, headers=None):
    """The fields of a request record: the engine's own names, and those of the HTTP request."""
    served = current()
    traceparent = None
    if headers:
        for key, value in headers.items():
            if key.lower() == "traceparent":
                traceparent = clean_traceparent(value)
    x_request_id = received_ns = None
    if served is not None:
        served.is_claimed = True
        x_request_id, received_ns = served.x_request_id, served.received_ns
        traceparent = traceparent or served.traceparent
    return (
        (wire.KEY_MEMBER, member),
        (wire.KEY_EXTERNAL, external),
        (wire.KEY_TRACEPARENT, traceparent),
        (wire.KEY_X_REQUEST_ID, x_request_id),
        (wire.KEY_RECEIVED, received_ns),
    )

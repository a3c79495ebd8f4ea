"""ASGI servers (Starlette, FastAPI and what is built on them): reads `traceparent` and
`X-Request-Id` of each HTTP request, so that whatever the request starts can be joined to it."""

import time

from . import context, recorder, wire
from .patching import require

_ENGINE = "starlette"
_REQUESTS = "asgi.requests"


def patch_starlette(module):
    """Wraps the application's entry."""
    require(_ENGINE, module.Starlette, "__call__", _call)


def _call(original):
    async def __call__(self, scope, receive, send):
        entered = _enter(scope)
        if entered is None:
            return await original(self, scope, receive, send)
        try:
            return await original(self, scope, receive, send)
        finally:
            _leave(*entered)

    return __call__


def _enter(scope):
    # An application mounted in another serves the same request.
    if recorder.is_disabled(_REQUESTS) or context.current() is not None:
        return None
    try:
        if scope.get("type") != "http":
            return None
        traceparent = x_request_id = None
        for name, value in scope.get("headers") or ():
            if name == b"traceparent":
                traceparent = context.clean_traceparent(value)
            elif name == b"x-request-id":
                x_request_id = context.clean_id(value)
        request = context.HttpRequest(traceparent, x_request_id)
        return request, context.enter(request)
    except Exception:
        recorder.disable(_REQUESTS, "headers")
        return None


def _leave(request, token):
    try:
        context.leave(request, token)
        if request.is_claimed or not (request.traceparent or request.x_request_id):
            return
        # No engine has named it: this is all that is known of it.
        recorder.request(
            wire.SOURCE_ASGI,
            (
                (wire.KEY_TRACEPARENT, request.traceparent),
                (wire.KEY_X_REQUEST_ID, request.x_request_id),
                (wire.KEY_RECEIVED, request.received_ns),
                (wire.KEY_ENDED, time.monotonic_ns()),
            ),
        )
    except Exception:
        recorder.disable(_REQUESTS, "end")

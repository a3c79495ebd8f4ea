"""A stand-in for Starlette: an ASGI application."""

__version__ = "1.0.0"

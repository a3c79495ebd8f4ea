"""The application."""


class Starlette:
    """Calls one handler for everything."""

    def __init__(self, handler):
        self.handler = handler

    async def __call__(self, scope, receive, send):
        await self.handler(scope, receive, send)

"""The API server's side of the engine."""

import uuid


class EngineCoreRequest:
    """A request under its internal name."""

    def __init__(self, request_id, trace_headers):
        self.external_req_id = request_id
        self.request_id = "{}-{}".format(request_id, uuid.uuid4().hex[:8])
        self.trace_headers = trace_headers


class AsyncLLM:
    """Takes requests."""

    def __init__(self, submit):
        self.submit = submit

    async def add_request(self, request_id, prompt, params, arrival_time=None, trace_headers=None):
        """Gives a request its internal name and hands it on."""
        request = EngineCoreRequest(request_id, trace_headers)
        await self._add_request(request, None, None, 0, None)
        return request.request_id

    async def _add_request(self, request, prompt, parent_req, index, queue):
        self.submit(request.request_id)

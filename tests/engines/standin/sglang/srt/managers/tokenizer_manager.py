"""The API server's side."""


class TokenizedGenerateReqInput:
    """A request on its way to the scheduler."""

    def __init__(self, rid):
        self.rid = rid


class TokenizerManager:
    """Takes requests."""

    async def _send_one_request(self, tokenized_obj):
        return tokenized_obj.rid

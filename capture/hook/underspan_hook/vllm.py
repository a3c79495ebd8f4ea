"""vLLM, V1 engine: `Worker.execute_model(scheduler_output)` and `sample_tokens` in the workers,
`AsyncLLM._add_request(request, …)` in the API server."""

from . import context, recorder, wire
from .members import Events
from .patching import missing, require, wrap

_ENGINE = "vllm"
_STEPS = "vllm.steps"
_REQUESTS = "vllm.requests"


def patch_worker(module):
    """Wraps the worker class a module defines."""
    workers = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and ("execute_model" in value.__dict__ or value.__name__ == "Worker")
    ]
    if not workers and module.__name__.endswith(".gpu_worker"):
        missing(_ENGINE, module.__name__ + ".Worker")
    for worker in workers:
        require(_ENGINE, worker, "execute_model", _execute_model)
        wrap(_ENGINE, worker, "sample_tokens", _sample_tokens)


def patch_async_llm(module):
    """Wraps the API server's way of handing a request to the engine."""
    if not wrap(_ENGINE, module.AsyncLLM, "_add_request", _internal_add_request):
        require(_ENGINE, module.AsyncLLM, "add_request", _add_request)


def _execute_model(original):
    def execute_model(self, *args, **kwargs):
        output = args[0] if args else kwargs.get("scheduler_output")
        steps = _steps_of(self)
        step = steps.begin(output) if steps is not None else None
        if step is None:
            return original(self, *args, **kwargs)
        try:
            result = original(self, *args, **kwargs)
        except BaseException:
            steps.end(step, True)
            raise
        steps.returned(step, result)
        return result

    return execute_model


def _sample_tokens(original):
    def sample_tokens(self, *args, **kwargs):
        steps = getattr(self, "_underspan_steps", None)
        step = steps.sampling() if steps is not None else None
        if step is None:
            return original(self, *args, **kwargs)
        try:
            result = original(self, *args, **kwargs)
        except BaseException:
            steps.end(step, True)
            raise
        steps.end(step, False)
        return result

    return sample_tokens


def _steps_of(worker):
    steps = getattr(worker, "_underspan_steps", None)
    if steps is None:
        try:
            steps = worker._underspan_steps = _Steps(worker)
        except Exception:
            recorder.disable(_STEPS, "worker")
            return None
    return steps


class _Steps:
    """The steps of one worker. No method raises."""

    def __init__(self, worker):
        self._series = recorder.StepSeries(_STEPS)
        self._pending = None
        self._is_running = False
        rank = getattr(worker, "rank", None)
        if isinstance(rank, int):
            recorder.note("rank", rank=rank)

    def begin(self, output):
        """Starts the step that a scheduler output describes."""
        # A subclass that calls its parent's method is one step.
        if self._is_running or self._series.is_off():
            return None
        try:
            if self._pending is not None:
                pending, self._pending = self._pending, None
                self._series.end(pending)
            tokens = output.num_scheduled_tokens
            flags = 0 if tokens else wire.STEP_EMPTY
            if output.scheduled_spec_decode_tokens:
                flags |= wire.STEP_SPECULATIVE
            step = self._series.begin(
                len(tokens),
                flags,
                lambda: _delta(self._series.encoder, output),
                lambda: self._series.encoder.observe(_events(self._series.encoder, output)[0]),
            )
            self._is_running = True
            return step
        except Exception:
            self._series.fail("execute_model")
            return None

    def returned(self, step, result):
        """The forward pass returned. `None` announces that `sample_tokens` will be called."""
        self._is_running = False
        try:
            if result is None and not step.flags & wire.STEP_EMPTY:
                self._series.forward_done(step)
                self._pending = step
            else:
                self._series.end(step)
        except Exception:
            self._series.fail("execute_model")

    def sampling(self):
        """Starts the sampling of the step whose forward pass returned last."""
        step, self._pending = self._pending, None
        if step is None:
            return None
        try:
            self._series.sampling(step)
            return step
        except Exception:
            self._series.fail("sample_tokens")
            return None

    def end(self, step, failed):
        """Ends a step."""
        self._is_running = False
        try:
            self._series.end(step, failed)
        except Exception:
            self._series.fail("sample_tokens")


def _delta(encoder, output):
    cached, tokens = output.scheduled_cached_reqs, output.num_scheduled_tokens
    # The usual steps first: nobody stopped or was taken up again.
    if not (
        getattr(cached, "resumed_req_ids", True)
        or output.scheduled_spec_decode_tokens
        or getattr(output, "preempted_req_ids", None)
    ):
        order, computed = cached.req_ids, cached.num_computed_tokens
        if not output.scheduled_new_reqs and not output.finished_req_ids:
            delta = encoder.steady(order, tokens, computed)
        elif tokens:
            delta = _turnover(encoder, output, order, computed)
        else:
            delta = None
        if delta is not None:
            return delta
    events, order, computed = _events(encoder, output)
    if not tokens:
        return encoder.encode_empty(events)
    return encoder.encode(order, tokens, computed, events)


def _turnover(encoder, output, order, computed):
    """The delta of a step in which requests came or ended, unless it is of another kind."""
    new = {}
    if output.scheduled_new_reqs:
        order, computed = order[:], computed[:]
        for request in output.scheduled_new_reqs:
            name = request.req_id
            order.append(name)
            computed.append(request.num_computed_tokens)
            new[name] = _prompt_tokens(request)
    return encoder.turnover(
        order, output.num_scheduled_tokens, computed, new, sorted(output.finished_req_ids)
    )


def _events(encoder, output):
    events = Events()
    order, computed, resumed = _cached(output.scheduled_cached_reqs)
    for request in output.scheduled_new_reqs:
        name = request.req_id
        order.append(name)
        computed.append(request.num_computed_tokens)
        prefilled = getattr(request, "prefill_token_ids", None)
        if prefilled is not None and encoder.knows(name):
            # The second model runner sends a resumed request as a new one.
            events.resumed[name] = max(len(prefilled) - 1, 0)
        else:
            events.new[name] = _prompt_tokens(request)
    for name in resumed:
        events.resumed[name] = None
    # Sets, which have no order of their own.
    preempted = getattr(output, "preempted_req_ids", None)
    if preempted:
        events.preempted = sorted(preempted)
    if output.finished_req_ids:
        events.finished = sorted(output.finished_req_ids)
    if output.scheduled_spec_decode_tokens:
        events.drafted = {
            name: len(tokens) for name, tokens in output.scheduled_spec_decode_tokens.items()
        }
    return events, order, computed


def _cached(cached):
    """Ids, computed tokens and resumed ids, in each of the shapes vLLM has had for them."""
    if isinstance(cached, list):
        order = [request.req_id for request in cached]
        computed = [request.num_computed_tokens for request in cached]
        resumed = [r.req_id for r in cached if getattr(r, "resumed_from_preemption", False)]
        return order, computed, resumed
    order, computed = list(cached.req_ids), list(cached.num_computed_tokens)
    resumed = getattr(cached, "resumed_req_ids", None)
    if resumed is None:
        marks = getattr(cached, "resumed_from_preemption", ())
        resumed = [name for name, is_resumed in zip(order, marks) if is_resumed]
    return order, computed, sorted(resumed) if resumed else ()


def _prompt_tokens(request):
    """Length of the prompt. The tokens themselves are never kept."""
    if request.prompt_token_ids is not None:
        return len(request.prompt_token_ids)
    embeddings = getattr(request, "prompt_embeds", None)
    return embeddings.shape[0] if embeddings is not None else 0


def _internal_add_request(original):
    async def _add_request(self, request, *args, **kwargs):
        _note_request(
            lambda: (
                request.request_id,
                getattr(request, "external_req_id", None),
                getattr(request, "trace_headers", None),
            )
        )
        return await original(self, request, *args, **kwargs)

    return _add_request


def _add_request(original):
    async def add_request(self, request_id, *args, **kwargs):
        _note_request(lambda: (None, request_id, kwargs.get("trace_headers")))
        return await original(self, request_id, *args, **kwargs)

    return add_request


def _note_request(names_of):
    if recorder.is_disabled(_REQUESTS):
        return
    try:
        member, external, headers = names_of()
        recorder.request(wire.SOURCE_VLLM, context.fields(member, external, headers))
    except Exception:
        recorder.disable(_REQUESTS, "add_request")

"""What the scheduler sends to the workers each step."""

from dataclasses import dataclass, field


@dataclass
class NewRequestData:
    """A request scheduled for the first time."""

    req_id: str
    prompt_token_ids: list
    num_computed_tokens: int
    prompt_embeds: object = None
    prefill_token_ids: list = None


@dataclass
class CachedRequestData:
    """Requests scheduled before."""

    req_ids: list = field(default_factory=list)
    resumed_req_ids: set = field(default_factory=set)
    num_computed_tokens: list = field(default_factory=list)
    num_output_tokens: list = field(default_factory=list)


@dataclass
class SchedulerOutput:
    """One step."""

    scheduled_new_reqs: list
    scheduled_cached_reqs: CachedRequestData
    num_scheduled_tokens: dict
    total_num_scheduled_tokens: int
    scheduled_spec_decode_tokens: dict
    finished_req_ids: set
    preempted_req_ids: set = None

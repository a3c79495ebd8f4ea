"""A worker for another device, which adds to the parent's step."""

from .gpu_worker import Worker


class CPUWorker(Worker):
    """Calls its parent's method, as subclasses do."""

    def execute_model(self, scheduler_output):
        """One forward pass."""
        return super().execute_model(scheduler_output)

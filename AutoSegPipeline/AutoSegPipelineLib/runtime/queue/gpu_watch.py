"""A GPU that was there and is gone: the pipeline waits for it and looks now and then."""

from __future__ import annotations

from typing import Callable

from ...core.errors import PipelineError
from ...core.job import Job
from ...core.resolved import gpus
from ..conditions import GPU_GONE, Conditions
from ..context import Context
from .engine_catalogue import EngineCatalogue

PROBE_SECONDS = 5.0  # doubles up to the most
PROBE_MOST = 300.0
MOST_LOSSES = 5


class GpuWatch:
    """``ask_fresh()`` starts a new worker and asks it what it has.

    A new one, because CUDA never recovers within a process and never looks again for what was not there.
    """

    def __init__(
        self,
        context: Context,
        conditions: Conditions,
        catalogue: EngineCatalogue,
        ask_fresh: Callable[[], None],
    ) -> None:
        self._context = context
        self._conditions = conditions
        self._catalogue = catalogue
        self._ask_fresh = ask_fresh
        self._at = 0.0
        self._wait = PROBE_SECONDS

    def lost(self, job: Job, error: PipelineError) -> PipelineError | None:
        """Pause; or the error with which a case ends that loses a GPU each time it is back."""
        losses = job.staged["gpu_losses"] = int(job.staged.get("gpu_losses", 0)) + 1
        if losses >= MOST_LOSSES:
            text = f"the GPU was lost {losses} times over this case: {error.message}"
            return PipelineError("engine.no_gpu", text)
        self._at, self._wait = self._context.clock.monotonic(), PROBE_SECONDS
        self._conditions.pause(error.code, error.message)
        return None

    def look(self) -> None:
        """Every two seconds: resume where a worker that was asked since has found the GPU."""
        paused, described = self._conditions.paused, self._catalogue
        if paused is None or paused["code"] != GPU_GONE or described.pending:
            return
        now = self._context.clock.monotonic()
        if described.known is not None and described.answered_at > self._at:
            if gpus(described.known) >= max(described.had_gpus, 1):
                self._conditions.resume()
                return
            self._at, self._wait = now, min(self._wait * 2, PROBE_MOST)
        if now - self._at >= self._wait:
            self._at = now
            self._ask_fresh()

    def give_up(self) -> None:
        """A person goes on without it, or the pipeline is new: what was there once is not expected."""
        paused = self._conditions.paused
        if paused is not None and paused["code"] == GPU_GONE:
            self._catalogue.had_gpus = 0
            self._conditions.resume()

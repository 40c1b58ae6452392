"""One worker process and the case it is at; when it has served enough."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.job import Job
from ...core.messages.child_messages import Done, Failed, Heartbeat
from ..processes.child import ChildLike


@dataclass
class WorkerSlot:
    """A worker. ``models`` counts the different models that it ever loaded."""

    child: ChildLike
    job: Job | None = None
    cases: int = 0
    started: float = 0.0
    saved: float = 0.0
    predicted: float | None = None
    rss: float = 0.0
    models: int = 0
    hung: bool = False
    leaving: bool = False
    describing: bool = False
    _base: float | None = None
    _base_models: int = 0

    def measured(self, message: Done | Failed | Heartbeat) -> None:
        """Take what the worker says of its memory."""
        self.rss = message.rss_mb or self.rss
        if not isinstance(message, Heartbeat):
            self.models = max(self.models, message.models or 0)

    def case_is_over(self) -> float:
        """Count it; by how many MB the worker has grown since it last loaded a model that it never had.

        Models may stay: that is what a worker is kept for. Loading the same ones again counts as
        growth, because their number has an end and a leak has none.
        """
        self.job = None
        self.cases += 1
        if self._base is None or self.models > self._base_models:
            self._base, self._base_models = self.rss, self.models
        return self.rss - self._base

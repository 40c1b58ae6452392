"""How long a case takes on the cluster: learned from those before it there, else from those here."""

from __future__ import annotations

from ...core import eta
from ...core.job import Job
from ..context import Context
from ..queue.forecast import Forecast, voxels

_USED = ("engine", "task", "quality", "device")


class ClusterForecast:
    """Keyed by what was asked for: what the cluster's machines make of ``auto`` they know alone."""

    def __init__(self, context: Context, local: Forecast) -> None:
        self._context = context
        self._local = local

    def predict(self, job: Job) -> float | None:
        """Seconds for the case; None where nothing like it was seen."""
        found = eta.predict(self._context.store.timings.of(_kind(job)), voxels(job))
        return found if found is not None else self._local.predict(job)

    def learn(self, job: Job, used: dict[str, str], seconds: float) -> None:
        """It took ``seconds``."""
        self._context.store.timings.note(_kind(job), voxels(job), seconds)


def _kind(job: Job) -> str:
    return "/".join(["cluster", *(str(job.options.get(name, "")) for name in _USED)])

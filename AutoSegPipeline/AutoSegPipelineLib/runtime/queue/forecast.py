"""How long a case will take, by what it really uses: learned from those before it."""

from __future__ import annotations

from ...core import eta
from ...core.engine_list import host_engine
from ...core.job import Job
from ...core.resolved import resolved, resolved_parts
from ..context import Context
from .engine_catalogue import EngineCatalogue


class Forecast:
    """Reads and writes the store's timings. ``auto`` and empty options count as what they come to."""

    def __init__(self, context: Context, catalogue: EngineCatalogue) -> None:
        self._context = context
        self._catalogue = catalogue

    def predict(self, job: Job) -> float | None:
        """Seconds for the complete case; None where nothing like it was seen.

        Several engines that have not worked on one case before take as long as each by itself.
        """
        timings = self._context.store.timings
        found = eta.predict(timings.of(self._kind(job, job.options)), voxels(job))
        if found is not None:
            return found
        part = bool(job.options.get("structures"))
        parts = resolved_parts(self._catalogue.for_now, job.options, job.modality)
        kinds = [eta.kind_of(one, part) for one in parts]
        return eta.predict_together([timings.of(kind) for kind in kinds], voxels(job))

    def learn(self, job: Job, used: dict[str, str], seconds: float) -> None:
        """It took ``seconds`` with what its worker says that it ``used``.

        The host's own engine does not say before what device it finds: the next case is asked about as
        this one was.
        """
        known = None if host_engine({"engine": job.engine}) else used
        kind = self._kind(job, {**job.options, "engine": job.engine}, known)
        self._context.store.timings.note(kind, voxels(job), seconds)

    def _kind(self, job: Job, options: dict[str, object], used: dict[str, str] | None = None) -> str:
        expected = resolved(self._catalogue.for_now, options, job.modality)
        return eta.kind_of({**expected, **(used or {})}, bool(options.get("structures")))


def voxels(job: Job) -> int:
    """Of its scan."""
    i, j, k = job.shape or (0, 0, 0)
    return i * j * k

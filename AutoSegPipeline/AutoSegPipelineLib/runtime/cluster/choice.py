"""Which queued cases go into the next bundle, and how many. Pure but for reading the store."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Generator

from ...core.bundles.packing import new_name
from ...core.cluster_settings import JobSize, job_size
from ...core.engine_list import host_engine
from ...core.job import Job
from ...core.states import QUEUED
from ..context import Context
from ..queue.result_cache import ResultCache
from .cluster_forecast import ClusterForecast

# Part of the wall time that cases may be expected to fill; the rest is for starting and for slow ones.
_FILL = 0.8
# A case of which nothing is known counts as this part of the wall time.
_UNKNOWN = 0.2
_SLICE = 5  # cases that are looked at without a break
MEMORY_STEP = "memory_step"  # in a job's staged facts: how often its memory did not suffice


@dataclass
class Chosen:
    """Cases for one bundle: ids of jobs and the seconds that each is expected to take."""

    size: JobSize
    bundle: str = field(default_factory=new_name)
    jobs: list[tuple[str, float | None]] = field(default_factory=list)


class Choice:
    """Takes the next case by priority and fills its bundle with those behind it that need the same job."""

    def __init__(self, context: Context, cache: ResultCache, forecast: ClusterForecast) -> None:
        self._context = context
        self._cache = cache
        self._forecast = forecast

    def next(self, free_bundles: int) -> Generator[None, None, Chosen | None]:
        """Slices of work that end with the next bundle; None where no queued case can leave this machine.

        Of a short queue each of the ``free_bundles`` and this machine get their part. Raises
        ``options.invalid`` for a wrong setting.
        """
        store, settings = self._context.store, self._context.settings
        queued = store.jobs.counts()[QUEUED]
        if not queued:
            return None
        fair = max(1, math.ceil(queued / (free_bundles + 1)))
        most = min(settings["cluster_bundle_cases"], fair)
        chosen: Chosen | None = None
        seconds = 0.0
        for number, job_id in enumerate(store.jobs.next_few_queued(self._context.clock.now(), 2 * most)):
            if number % _SLICE == 0:
                yield
            job = store.jobs.find(job_id)
            if job is None or job.state != QUEUED or not self._may_leave(job):
                continue
            size = self.size_of(job)
            if chosen is None:
                chosen = Chosen(size)
            if size != chosen.size:
                continue
            expected = self._forecast.predict(job)
            limit = size.minutes * 60.0
            if limit:
                seconds += limit * _UNKNOWN if expected is None else expected
                if chosen.jobs and seconds > limit * _FILL:
                    break
            chosen.jobs.append((job.id, expected))
            if len(chosen.jobs) >= most:
                break
        return chosen

    def size_of(self, job: Job) -> JobSize:
        """What the scheduler is asked for; raises ``options.invalid`` for a wrong setting."""
        settings = self._context.settings.values
        return job_size(settings, job.options, int(job.staged.get(MEMORY_STEP, 0)))

    def _may_leave(self, job: Job) -> bool:
        """A scan that must be computed, by an engine that is not part of this process."""
        scan = job.staged.get("kind") == "scan" and not job.cancel
        return scan and not host_engine(job.options) and self._cache.find(job) is None

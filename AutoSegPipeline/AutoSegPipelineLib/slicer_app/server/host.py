"""The running pipeline as the site sees it."""

from __future__ import annotations

from typing import Any, Callable

from ...core import states
from ...core.errors import PipelineError
from ...core.events import Event, JobChanged
from ...core.home import Home
from ...core.job import Job
from ...runtime.api import AutoSeg
from .results import Results


class PipelineHost:
    """Reads the store of ``autoseg`` and hands uploads to it; progress comes from its events."""

    def __init__(self, autoseg: AutoSeg) -> None:
        self._autoseg = autoseg
        self._results = Results(lambda: autoseg.pipeline.store, autoseg.home.results)
        self._live: dict[str, tuple[float, str]] = {}
        self._unsubscribe = autoseg.pipeline.bus.subscribe(self._hear)

    def close(self) -> None:
        """Hear no more."""
        self._unsubscribe()

    def _hear(self, event: Event) -> None:
        if not isinstance(event, JobChanged):
            return
        if event.state in states.RUNNING:
            self._live[event.job_id] = (event.progress, event.message)
        else:
            self._live.pop(event.job_id, None)

    @property
    def home(self) -> Home:
        return self._autoseg.home

    @property
    def min_free_bytes(self) -> int:
        return int(self._autoseg.settings["disk_min_free_mb"]) << 20

    def check(self, options: dict[str, Any]) -> None:
        self._autoseg.pipeline.flow.options_gate.check_at_the_door(options)

    def make_durable(self, paths: list[str], then: Callable[[PipelineError | None], None]) -> None:
        self._autoseg.pipeline.make_durable(paths, then)

    def adopt(self, job_id: str) -> dict[str, Any]:
        return self._autoseg.pipeline.commands.adopt(job_id).to_dict()

    def results(self) -> Results:
        return self._results

    def newest(self, limit: int) -> list[Job]:
        found = self._autoseg.pipeline.store.jobs.list(limit=limit, newest_first=True)
        return [self._with_progress(job) for job in found]

    def status(self) -> dict[str, Any]:
        """``counts`` by state, ``queued``, ``current`` jobs, ``paused`` with its reason, or None."""
        store = self._autoseg.pipeline.store
        counts = store.jobs.counts()
        current = [self._with_progress(job).to_dict() for job in store.jobs.list(states.RUNNING)]
        waiting = sum(counts[state] for state in states.WAITING)
        return {"counts": counts, "queued": waiting, "current": current, "paused": store.meta.get("paused")}

    def _with_progress(self, job: Job) -> Job:
        if job.id in self._live:
            job.progress, job.message = self._live[job.id]
        return job

"""The running pipeline as the site sees it."""

from __future__ import annotations

from typing import Any

from ...core import states
from ...core.events import Event, JobChanged
from ...core.job import Job
from ...intake.received.client_input import CaseRequest
from ...intake.received.handover import Handover
from ...runtime.api import AutoSeg
from ...runtime.staging.received_inputs import Then
from .results import Results

DOOR = "web"


def door_of(autoseg: AutoSeg) -> Handover:
    """The hand-over of all uploads to a Slicer, whichever of its servers they came to."""
    home = autoseg.home
    return Handover(
        home, DOOR, home.state / "slicer-uploads", int(autoseg.settings["disk_min_free_mb"]) << 20
    )


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
    def door(self) -> Handover:
        return door_of(self._autoseg)

    def check(self, options: dict[str, Any]) -> None:
        self._autoseg.pipeline.flow.options_gate.check_at_the_door(options)

    def hand_over(self, upload: str, request: CaseRequest, then: Then) -> None:
        door = self.door
        self._autoseg.pipeline.flow.received.hand_over(door, door.root / upload, request, "", then)

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

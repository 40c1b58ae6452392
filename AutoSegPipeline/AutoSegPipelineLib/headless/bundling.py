"""Bundles made by hand: scans are inspected as ``run`` does it, and packed instead of computed."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

from ..core import states
from ..core.bundles.packing import Packing
from ..core.events import Event, JobChanged, PipelinePaused
from ..runtime.conditions import REQUEST
from .app import Host
from .batch import Batch, Documents, Given
from .cohort.units import units_of

BUNDLED = "bundled"


def inputs_of(paths: Sequence[Path]) -> list[Given]:
    """Files as they are; each scan of a folder is an input of its own, so that few lie here at a time."""
    return list(_inputs(paths))


def _inputs(paths: Sequence[Path]) -> Iterator[Given]:
    for path in paths:
        if not path.is_dir():
            yield Given(path)
            continue
        for unit in units_of(path):
            yield Given(path, unit.members())


class BundleBatch(Batch):
    """Takes each case out of the queue of a pipeline that is paused, into a bundle."""

    def __init__(self, inputs: Sequence[Given], packing: Packing, options: dict[str, object]) -> None:
        self._bundled: set[str] = set()
        documents = _Documents(self._bundled)
        super().__init__(inputs, packing.bundle.path, options, "run", documents=documents)
        self._packing = packing
        self.trouble: OSError | None = None  # the bundle cannot be written

    def begin(self, host: Host) -> None:
        """The pause leaves in the queue what was inspected."""
        host.pipeline.commands.pause()
        super().begin(host)

    def hear(self, event: Event) -> None:
        """Pack what is queued; our own pause is nothing to give up for."""
        if isinstance(event, PipelinePaused) and event.code == REQUEST:
            return
        super().hear(event)
        if isinstance(event, JobChanged) and event.state == states.QUEUED:
            self._host.later(lambda: self._pack(event.job_id))

    def _pack(self, job_id: str) -> None:
        job = self._host.pipeline.store.jobs.find(job_id)
        if self.interrupted_by_user or job is None or job.state != states.QUEUED:
            return
        job.attempt = 1
        order = self._host.pipeline.flow.case_messages.order(job, Path(), 0)
        try:
            self._packing.add(job.id, job.attempt, order)
        except OSError as error:
            self.trouble = error
            self.interrupted(self._host)
            return
        self._bundled.add(job.id)
        # Its end: the bytes in the private home go, and the next input comes.
        self._host.pipeline.commands.cancel(job.id)

    def _code(self) -> int:
        return 1 if self.trouble else super()._code()


class _Documents(Documents):
    """Cases that were packed are done with, whatever their rows say."""

    def __init__(self, bundled: set[str]) -> None:
        super().__init__()
        self._bundled = bundled

    def add(self, number: int, documents: list[dict[str, object]]) -> None:
        """See :meth:`Documents.add`."""
        for one in documents:
            if one["id"] in self._bundled:
                one.update(state=BUNDLED, error=None)
                self.done += 1
        super().add(number, documents)

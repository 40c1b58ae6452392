"""What a new start makes of what the last one left: every intent and row comes to a known place."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Iterator

from ..core import incoming, states
from ..core.errors import PipelineError
from ..core.files import fsync_folder, remove_tree
from ..core.home import Home
from ..core.incoming import Intent, folder_of, input_of
from ..core.job import Job
from .cluster.cluster import Cluster
from .context import Context
from .ending.finisher import Finisher
from .ending.input_disposal import InputDisposal
from .processes.host_steps import needs_host
from .queue.limits import DEATHS_LIMIT, HOST_DEATHS_LIMIT
from .staging.inspection import SPLIT, Inspection
from .staging.stager import Stager

log = logging.getLogger(__name__)


class Recovery:
    """Runs once, before anything new is taken, in steps small enough for the event loop."""

    def __init__(
        self,
        context: Context,
        stager: Stager,
        inspection: Inspection,
        disposal: InputDisposal,
        finisher: Finisher,
        cluster: Cluster,
    ) -> None:
        self._context = context
        self._stager = stager
        self._inspection = inspection
        self._disposal = disposal
        self._finisher = finisher
        self._cluster = cluster

    def steps(self, counted: bool = True) -> Iterator[None]:
        """Each step leaves everything consistent. ``counted``: running cases saw the pipeline die."""
        yield from self._sweep()
        yield from self._running(counted)
        yield from self._receiving()
        for job in self._context.store.jobs.list([states.INSPECTING]):
            self._inspection.inspect(job)
            yield
        yield from self._folders()

    def _sweep(self) -> Iterator[None]:
        home = self._context.home
        for name in incoming.sweep_parts(home):
            log.warning("removed %s, which was never staged completely", name)
        publishing = {job.id for job in self._context.store.jobs.list([states.PUBLISHING])}
        if not publishing:
            for folder in home.work.iterdir():
                remove_tree(folder)
                yield
        for folder in _publish_folders(home.results):
            if folder.name[len(".publish-") :] not in publishing:
                remove_tree(folder)
                yield

    def _running(self, counted: bool) -> Iterator[None]:
        for job in self._context.store.jobs.list(states.RUNNING):
            if job.state == states.PUBLISHING:
                self._finisher.finish(job)
            elif not self._cluster.takes_up(job):
                self._died(job, counted)
            yield

    def _died(self, job: Job, counted: bool) -> None:
        job.deaths += counted
        job.progress, job.eta_s = 0.0, None
        if job.deaths >= (HOST_DEATHS_LIMIT if needs_host(job.options) else DEATHS_LIMIT):
            error = PipelineError("pipeline.died", f"the pipeline ended {job.deaths} times during {job.name}")
            job.error = error.to_dict()
            self._context.enter(job, states.FAILED, error.message)
            self._disposal.dispose(job)
        else:
            self._context.enter(job, states.QUEUED, "The pipeline ended during this case; tried again.")

    def _receiving(self) -> Iterator[None]:
        for job in self._context.store.jobs.list([states.RECEIVING]):
            intent = incoming.read_intent(folder_of(self._context.home, job.id))
            if intent is None:
                self._stager.refuse(
                    job, PipelineError("input.missing", f"{job.input} was not taken in completely")
                )
            elif _is_complete(self._context.home, intent):
                fsync_folder(input_of(self._context.home, job.id))
                self._stager.accept(job, intent)
            elif intent.consume:
                self._undo(intent)
                self._context.store.jobs.delete(job.id)
            elif all(item.source and os.path.exists(item.source) for item in intent.files):
                self._stager.copy_again(job, intent)
            else:
                self._stager.refuse(job, PipelineError("input.missing", f"{job.input} is gone"))
            yield

    def _undo(self, intent: Intent) -> None:
        """Bring staged files of a half-moved input back to the inbox, where they are seen again."""
        home = self._context.home
        for item in intent.files:
            staged = input_of(home, intent.id) / item.name
            if not os.path.lexists(staged) or not item.source:
                continue
            source = Path(item.source)
            if not os.path.lexists(source):
                source.parent.mkdir(parents=True, exist_ok=True)
                os.rename(staged, source)
            elif source.stat().st_size != item.size or source.stat().st_mtime_ns != item.mtime_ns:
                # Another file has taken the name meanwhile; both are wanted.
                os.rename(staged, source.with_name(f"{intent.id[:8]}-{source.name}"))
        remove_tree(folder_of(home, intent.id))

    def _folders(self) -> Iterator[None]:
        """Intents without a row, and folders of jobs that ended."""
        home = self._context.home
        for folder in sorted(home.incoming.iterdir()):
            yield
            if folder.suffix == ".part" or not folder.is_dir():
                continue
            job = self._context.store.jobs.find(folder.name)
            intent = incoming.read_intent(folder)
            if job is not None:
                if job.state not in (states.RECEIVING, states.INSPECTING):
                    (folder / SPLIT).unlink(missing_ok=True)  # its parts have their rows
                if job.ended:
                    self._disposal.dispose(job)
            elif intent is None:
                # The intent is the first thing that is written completely; without it nothing was moved.
                remove_tree(folder)
            elif intent.parent and (folder_of(home, intent.parent) / SPLIT).exists():
                continue
            elif intent.files and _is_complete(home, intent):
                self._stager.adopt(intent.id)
            else:
                self._undo(intent)


def _is_complete(home: Home, intent: Intent) -> bool:
    return all(os.path.lexists(input_of(home, intent.id) / item.name) for item in intent.files)


def _publish_folders(results: Path) -> list[Path]:
    try:
        return list(results.glob(".publish-*"))
    except OSError:
        return []

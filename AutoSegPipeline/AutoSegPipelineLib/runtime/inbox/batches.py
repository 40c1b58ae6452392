"""The inbox's way to jobs: many inputs at a time, and no waiting for the disk on the Qt loop.

The order is that of :mod:`..staging.stager`. What has to be durable before the next step
is synced by an intake child, a batch at a time, with several batches under way.
The rows of a batch are not synced: the intent beside the bytes brings them back.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from typing import Callable

from ...core import incoming, states
from ...core.crash_points import reached
from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...core.incoming import Intent, folder_of, input_of
from ...core.job import Job
from ...core.messages.intake_messages import Sync
from ..conditions import Conditions
from ..context import Context, disk_is_full
from ..loop import Loop
from ..processes.intake_client import IntakeClient
from ..staging.stager import Stager, job_of, sources
from .watched_inbox import WatchedInbox

log = logging.getLogger(__name__)

MOST = 16  # inputs of one batch: their rows and renames fit a slice of the loop
UNDER_WAY = 6  # syncs at the same time


class InboxBatches:
    """Holds the intents of the inbox that wait, and stages them in batches."""

    def __init__(
        self,
        context: Context,
        conditions: Conditions,
        stager: Stager,
        inbox: WatchedInbox,
        syncer: IntakeClient,
        loop: Loop,
    ) -> None:
        self._context = context
        self._conditions = conditions
        self._stager = stager
        self._inbox = inbox
        self._syncer = syncer
        self._loop = loop
        self._under_way = 0
        self._waiting: deque[Intent] = deque()

    def take(self, intent: Intent) -> None:
        """Stage this one when its turn has come."""
        self._waiting.append(intent)
        self._loop.wake()

    @property
    def has_work(self) -> bool:
        """Whether :meth:`take_some` would do something."""
        return bool(self._waiting) and self._under_way < UNDER_WAY

    def take_some(self, until: float) -> None:
        """Write the intents of one batch, at least one, until the monotonic time ``until``."""
        batch: list[Intent] = []
        paths = [str(self._context.home.incoming)]
        try:
            while self._waiting and len(batch) < MOST:
                if batch and self._context.clock.monotonic() >= until:
                    break
                batch.append(self._waiting.popleft())
                paths += incoming.write_intent(self._context.home, batch[-1], durable=False)
        except OSError as error:
            self._undo(batch)
            self._trouble(error)
            return
        self._sync(paths, lambda error: self._written(batch, error))

    def _sync(self, paths: list[str], then: Callable[[PipelineError | None], None]) -> None:
        self._under_way += 1

        def answered(_: object, error: PipelineError | None) -> None:
            self._under_way -= 1
            self._loop.wake()
            then(error)

        self._syncer.ask(Sync(paths), answered)

    def _written(self, batch: list[Intent], error: PipelineError | None) -> None:
        if error is not None:
            self._undo(batch)
            self._trouble(error)
            return
        reached("intent written")
        jobs = [job_of(intent) for intent in batch]
        try:
            with self._context.store.transaction(durable=False):
                for job in jobs:
                    self._context.store.jobs.add(job)
        except sqlite3.OperationalError as full:
            self._undo(batch)
            self._trouble(full)
            return
        reached("row receiving")
        moved = []
        for job, intent in zip(jobs, batch):
            self._context.publish_change(job)
            if self._stager.move(job, intent):
                moved.append(intent)
        if moved:
            folders = [str(input_of(self._context.home, intent.id)) for intent in moved]
            self._sync(folders, lambda error: self._moved(moved, error))

    def _moved(self, moved: list[Intent], error: PipelineError | None) -> None:
        if error is not None:
            for job, intent in self._fresh(moved):
                self._stager.give_up(job, intent)
            self._trouble(error)
            return
        reached("input moved")
        self._stager.accept_all(self._fresh(moved), durable=False)

    def _fresh(self, intents: list[Intent]) -> list[tuple[Job, Intent]]:
        """With their rows as they are now: somebody may have cancelled one meanwhile."""
        found = [(self._context.store.jobs.find(intent.id), intent) for intent in intents]
        return [(job, intent) for job, intent in found if job is not None and job.state == states.RECEIVING]

    def _undo(self, batch: list[Intent]) -> None:
        """Nothing has moved: the files stay in the inbox and are seen again."""
        for intent in batch:
            remove_tree(folder_of(self._context.home, intent.id))
            self._inbox.put_back(sources(intent))

    def _trouble(self, error: Exception) -> None:
        if disk_is_full(error) or (
            isinstance(error, PipelineError) and error.code == "environment.disk_full"
        ):
            self._conditions.disk_was_full()
        elif isinstance(error, PipelineError) and error.is_environment:
            self._conditions.pause(error.code, error.message)
        else:
            raise error

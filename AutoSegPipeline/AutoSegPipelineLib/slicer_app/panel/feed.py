"""News of the jobs, read from the store a little at a time: of this pipeline or of another process's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ...core.errors import PipelineError
from ...core.job import Job
from ...core.store import Store
from ...core.store.jobs import Brief
from ..session import STOPPED, Session
from .job_list import JobList

_MOST = 1000  # rows at a time; about 10 ms


class Feed:
    """Keeps a :class:`JobList` as the store says; the session's own store, or one opened to look at."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._opened: Store | None = None
        self._of: Path | None = None  # the store that the list is of
        self._revision = self._deleted = 0
        self.jobs = JobList()
        self._final = False  # whether all was read of a pipeline that has ended
        self.more = False  # whether there is more to read at once
        self.caught_up = False  # whether everything was read that was there when the panel opened
        self.problem: PipelineError | None = None

    @property
    def store(self) -> Store | None:
        """The store to read, or None where there is none (yet)."""
        own = self._session.store
        path = self._session.home.store
        if own is not None or (self._opened is not None and self._opened_path != path):
            self.close()
        if own is None and self._of == path and self._final and not self._session.locked:
            self.close()
            return None  # nobody runs, so nothing changes: what was read is what is there
        self._final = False
        if own is None and self._opened is None and path.exists():
            try:
                self._opened, self._opened_path, self.problem = Store(path), path, None
            except (PipelineError, sqlite3.Error) as error:
                if not isinstance(error, PipelineError):
                    error = PipelineError("store.damaged", f"{path}: {error}")
                self.problem = error
        if path != self._of and (own or self._opened) is not None:
            self._of, self.jobs = path, JobList()
            self._revision = self._deleted = 0
            self.caught_up = False
        return own or self._opened

    _opened_path: Path | None = None

    def read(self) -> tuple[list[Brief], bool]:
        """(what changed since the last time, whether rows came, went or moved)."""
        store = self.store
        if store is None and self._of == self._session.home.store and self._of.exists():
            return [], False
        if store is None:
            moved, self.jobs = bool(len(self.jobs)), JobList()
            self._of = None
            return [], moved
        changed, moved = self._read(store)
        # Once more after a pipeline has ended, then the store is left alone.
        self._final = self._session.state == STOPPED and not self.more
        return changed, moved

    def _read(self, store: Store) -> tuple[list[Brief], bool]:
        newest = store.revision()
        if newest < self._revision:  # another store under the same name
            self._revision = self._deleted = 0
            self.jobs = JobList()
        if newest == self._revision and not self.more:
            return [], False
        first = self._revision == 0
        deleted = [] if first else store.jobs.deleted(self._deleted)
        changed = store.jobs.brief(self._revision, _MOST)
        self.more = len(changed) == _MOST
        self._revision = changed[-1].revision if self.more else newest
        self._deleted = newest
        moved = self.jobs.apply(changed, deleted)
        return changed, moved

    def find(self, job_id: str) -> Job | None:
        """All that is known of one job, also while nobody runs."""
        store = self.store
        if store is not None:
            return store.jobs.find(job_id)
        if self._of is None or not self._of.exists():
            return None
        opened = Store(self._of)
        try:
            return opened.jobs.find(job_id)
        finally:
            opened.close()

    def close(self) -> None:
        """Let go of a store that was opened to look at."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

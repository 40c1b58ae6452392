"""Everything in the one file, each table behind a small class of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from ..clock import Clock, SystemClock
from .database import Database
from .jobs import Jobs
from .requests import Requests
from .small_tables import Cache, Ledger, Meta, Stems, Timings
from .work_list import WorkList


class Store:
    """``jobs``, ``requests``, ``stems``, ``ledger``, ``cache``, ``timings`` and ``meta``."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._database = Database(path)
        self.jobs = Jobs(self._database, clock)
        self.work_list = WorkList(self._database)
        self.requests = Requests(self._database, clock)
        self.stems = Stems(self._database)
        self.ledger = Ledger(self._database, clock)
        self.cache = Cache(self._database, clock)
        self.timings = Timings(self._database, clock)
        self.meta = Meta(self._database)

    def transaction(self, durable: bool = True) -> AbstractContextManager[None]:
        """Several changes, all or nothing; see :meth:`.database.Database.transaction`."""
        return self._database.transaction(durable)

    def revision(self) -> int:
        """Rises with each change that readers may want to see."""
        return self._database.revision()

    def data_version(self) -> int:
        """Changes when another process wrote."""
        return self._database.data_version()

    def scrub(self) -> None:
        """After a purge: nothing of it stays in the journal."""
        self._database.scrub()

    def close(self) -> None:
        self._database.close()

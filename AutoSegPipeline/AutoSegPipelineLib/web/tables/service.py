"""The table of this home, kept beside the store and brought up to date when somebody asks for it.

SQLite and the reading of result files would hold the event loop, so that threads do it: one the table, one
the methods.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Generator, TypeVar

from ...core.cohort.fill import fill_from_home
from ...core.cohort.forget import remove_table
from ...core.cohort.methods import Methods, manifest_of, methods_of
from ...core.cohort.table import Cohort, Query, as_document
from ...core.cohort.write_csv import csv_pieces
from ...core.files import create_private
from ...core.home import Home
from ...core.job import Job
from ...core.store import Store
from ...core.store.scope import Scope
from ..context import WebContext
from .parquet import can_write, write_parquet

KEY = "table"
CSV, PARQUET = "csv", "parquet"
_PIECE = 1 << 20
T = TypeVar("T")


class TableService:
    """One for the application, at ``context.shared["table"]``."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._path = home.table
        self._thread = ThreadPoolExecutor(1, "table")
        self._readers = ThreadPoolExecutor(1, "methods")  # thousands of manifests hold up no page
        self._cohort: Cohort | None = None

    async def page(self, query: Query, scope: Scope, limit: int, offset: int) -> dict[str, object]:
        """Some rows as JSON shows them, how many there are, and what one may filter by."""
        return await self._do(functools.partial(self._page, query, scope, limit, offset))

    def _page(self, query: Query, scope: Scope, limit: int, offset: int) -> dict[str, object]:
        cohort = self._fresh()
        return {
            "rows": [as_document(row) for row in cohort.rows(query, scope, limit, offset)],
            "total": cohort.count(query, scope),
            "cases": cohort.count_cases(scope),
            "structures": cohort.structures(scope),
            "parquet": can_write(),
        }

    async def ready(self) -> None:
        """Bring the table up to date before it is sent."""
        await self._do(self._fresh)

    async def methods(self, jobs: list[Job] | None, scope: Scope) -> Methods:
        """The methods paragraph for these cases, or for all in ``scope``; raises as :func:`manifest_of`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._methods, jobs, scope)

    def _methods(self, jobs: list[Job] | None, scope: Scope) -> Methods:
        if jobs is not None:
            return methods_of([self._manifest(job) for job in jobs])  # the states before the files
        store = Store(self._home.store)
        try:
            return methods_of(map(self._manifest, store.jobs.changed(scope=scope, published=True)))
        finally:
            store.close()

    def _manifest(self, job: Job) -> Path:
        return manifest_of(job, self._home.results)

    def pieces(self, kind: str, query: Query, scope: Scope) -> Generator[bytes, None, None]:
        """The rows as a file, a piece at a time, with a connection of its own; after :meth:`ready`."""
        cohort = Cohort(self._path)
        try:
            if kind == CSV:
                yield from csv_pieces(cohort.rows(query, scope))
                return
            with tempfile.TemporaryDirectory(dir=self._home.work) as folder:
                path = Path(folder) / "table.parquet"
                write_parquet(path, cohort.rows(query, scope))
                with open(path, "rb") as stream:
                    yield from iter(functools.partial(stream.read, _PIECE), b"")
        finally:
            cohort.close()

    def _fresh(self) -> Cohort:
        if self._cohort is None:
            create_private(self._path)
            self._cohort = Cohort(self._path)
        store = Store(self._home.store)
        try:
            fill_from_home(self._cohort, self._home, store)
        finally:
            store.close()
        return self._cohort

    async def _do(self, action: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._sound, action)

    def _sound(self, action: Callable[[], T]) -> T:
        """Do it; where the table is damaged, do it again with one made from the result files."""
        try:
            return action()
        except sqlite3.OperationalError:  # a full disk, a lock: nothing that another table would mend
            raise
        except sqlite3.DatabaseError:
            self._let_go()
            remove_table(self._path)
            return action()

    def _let_go(self) -> None:
        if self._cohort is not None:
            self._cohort.close()
        self._cohort = None

    def close(self) -> None:
        """Wait for what is under way, and let go of the file."""
        self._readers.shutdown()
        self._thread.shutdown()
        self._let_go()


def table_of(context: WebContext) -> TableService:
    """The service of this application."""
    found: TableService = context.shared[KEY]
    return found

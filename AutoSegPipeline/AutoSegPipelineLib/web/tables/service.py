"""The table of this home, kept beside the store and brought up to date when somebody asks for it.

SQLite and the reading of result files would hold the event loop, so that one thread does it.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator, TypeVar

from ...core.cohort.fill import Filled, fill_from_home
from ...core.cohort.methods import Methods, methods_of
from ...core.cohort.table import Cohort, Query, as_document
from ...core.cohort.write_csv import csv_pieces
from ...core.files import create_private
from ...core.home import Home
from ...core.job import Job
from ...core.result_formats import MANIFEST
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
        self._path = home.state / "table.sqlite"
        self._thread = ThreadPoolExecutor(1, "table")
        self._cohort: Cohort | None = None
        self._filled = Filled()

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

    async def methods(self, jobs: list[Job]) -> Methods:
        """The methods paragraph for these finished cases."""
        folders = [Path(job.out) if job.out else self._home.results for job in jobs]
        paths = [folder / f"{job.name}{MANIFEST}" for folder, job in zip(folders, jobs)]
        return await self._do(lambda: methods_of(paths))

    def pieces(self, kind: str, query: Query, scope: Scope) -> Iterator[bytes]:
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
            try:
                self._cohort = Cohort(self._path)
            except sqlite3.DatabaseError:  # damaged: everything in it stands in result files
                self._path.unlink()
                create_private(self._path)
                self._cohort = Cohort(self._path)
        store = Store(self._home.store)
        try:
            self._filled = fill_from_home(self._cohort, self._home, store)
        finally:
            store.close()
        return self._cohort

    async def _do(self, action: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, action)

    def close(self) -> None:
        """Wait for what is under way, and let go of the file."""
        self._thread.shutdown()
        if self._cohort is not None:
            self._cohort.close()


def table_of(context: WebContext) -> TableService:
    """The service of this application."""
    found: TableService = context.shared[KEY]
    return found

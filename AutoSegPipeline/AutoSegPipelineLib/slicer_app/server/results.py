"""The files of published cases, by their plain names."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from ...core.files import contained
from ...core.store import Store
from ...runtime import qt

_ROWS = 200  # read in one turn of the loop; a row takes some 10 us


class Results:
    """Looks results up in the store; the names in the folder itself are never trusted."""

    def __init__(self, open_store: Callable[[], Store], folder: Path) -> None:
        """``open_store`` is asked each time: after a full disk the pipeline opens its store again."""
        self._open_store = open_store
        self._folder = folder

    def find(self, name: str) -> tuple[Path, dict[str, object]] | None:
        """(path, output with size and sha256) of the file ``name`` of a published case."""
        if not name or "/" in name or "\\" in name or "\0" in name:
            return None
        store = self._open_store()
        # A stem may hold dots, and so may an ending.
        cuts = [at for at, letter in enumerate(name) if letter == "."]
        for cut in cuts:
            job_id = store.stems.taken(name[:cut])
            job = store.jobs.find(job_id) if job_id else None
            if job is None or not job.has_result:
                continue
            for output in job.outputs:
                if output["name"] == name:
                    folder = job.folder(self._folder)
                    path = folder / name
                    return (path, output) if contained(folder, path) else None
        return None

    def all_names(self) -> list[str]:
        """Every file name at once, for a caller that cannot wait."""
        jobs = self._open_store().jobs.list(published=True)
        return [str(output["name"]) for job in jobs for output in job.outputs]

    def names(self, then: Callable[[list[str]], None]) -> None:
        """Every file name, the oldest case first; a few rows in each turn of the loop."""
        found: list[str] = []

        def read(offset: int) -> None:
            jobs = self._open_store().jobs.list(published=True, limit=_ROWS, offset=offset)
            found.extend(str(output["name"]) for job in jobs for output in job.outputs)
            if len(jobs) < _ROWS:
                then(found)
            else:
                qt.single_shot(0, lambda: read(offset + _ROWS))

        read(0)

"""What every command starts from: the home, its settings and store, and where to print."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from ..core.errors import PipelineError
from ..core.home import Home, default_root
from ..core.job import Job
from ..core.lock import HomeLock
from ..core.settings import Settings, settings_of
from ..core.store import Store
from ..core.user import user_name as user_name
from .output import Output


@dataclass
class Session:
    """The object that click hands to every command."""

    places: dict[str, Path] = field(default_factory=dict)  # home, inbox, results, state
    quiet: bool = False
    verbose: bool = False

    @property
    def output(self) -> Output:
        return Output(self.quiet, self.verbose)

    @property
    def home(self) -> Home:
        """The folders that flags and environment name, or the user's own."""
        where = self.places
        return Home.at(
            where.get("home") or default_root(), where.get("inbox"), where.get("results"), where.get("state")
        )

    def settings(self, flags: Mapping[str, object] | None = None) -> Settings:
        """Every setting and option: flag > environment > settings.json > default."""
        return settings_of(self.home, flags or {}, os.environ)

    def store(self) -> Store | None:
        """The store, or None where no pipeline has ever run: looking must not create a home."""
        path = self.home.store
        return Store(path) if path.exists() else None

    def store_or_new(self) -> Store:
        """The store, creating its home if it is missing."""
        home = self.home
        os.umask(0o077)
        home.create()
        return Store(home.store)

    @property
    def is_running(self) -> bool:
        """Whether a pipeline holds this home now."""
        return HomeLock(self.home.lock).is_held()

    def child_note(self, name: str) -> dict[str, Any] | None:
        """What the running pipeline says of its child ``name``; None where there is neither."""
        store = self.store() if self.is_running else None
        if store is None:
            return None
        try:
            found: dict[str, Any] | None = store.meta.get(name)
            return found
        finally:
            store.close()

    def job_document(self, job: Job) -> dict[str, object]:
        """:meth:`Job.to_dict` with the ``path`` of each output."""
        return job_document(job, self.home.results)


def job_document(job: Job, results: Path) -> dict[str, object]:
    """:meth:`Job.to_dict` with the ``path`` of each output.

    ``results`` is where they are when the job names no folder of its own.
    """
    document = job.to_dict()
    folder = job.folder(results)
    document["outputs"] = [{**found, "path": str(folder / found["name"])} for found in job.outputs]
    return document


def check_name(path: Path) -> None:
    """Raise ``input.unreadable`` for a name that is not text: no book could hold it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise PipelineError(
            "input.unreadable", f"{path}: the name is not valid text", "Rename the file."
        ) from None

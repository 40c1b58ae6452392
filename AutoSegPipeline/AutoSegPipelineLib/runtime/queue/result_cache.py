"""Label maps that are kept for the next same scan."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from ... import __version__
from ...core.errors import PipelineError
from ...core.files import fsync_folder
from ...core.job import Job
from ...core.resolved import identity
from ...core.store.small_tables import Kept
from ..context import Context

_DECIDES = (
    "engine", "task", "quality", "structures", "modality", "modality_mismatch", "assume_orientation",
)  # fmt: skip
KEEP = "keep.seg.nrrd"
EVERYBODYS = "all"


class ResultCache:
    """Files in ``state/cache`` and their rows in the store; the oldest go where they exceed ``cache_mb``."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def work(self, job: Job) -> Path:
        """Temporary folder of this attempt."""
        return self._context.home.work / job.id / str(job.attempt)

    def keeps(self, job: Job) -> bool:
        """Whether the label map of ``job`` may be kept: a scan, and the cache is not switched off."""
        return bool(job.staged["kind"] == "scan" and self._context.settings["cache_mb"] > 0)

    def _key(self, job: Job) -> str:
        """Of the scan, the options, and each engine's name, version, tasks and weights.

        The weights are those of the last description; the worker compares them with its own once more.
        """
        described = self._context.store.meta.get("describe") or {}
        try:
            engines: object = identity(described, job.options, job.modality)
        except PipelineError:
            engines = [(e.get("name"), e.get("ok"), e.get("version")) for e in described.get("engines", [])]
        wanted = {name: job.options.get(name) for name in _DECIDES}
        text = json.dumps([job.content, job.modality, wanted, engines, __version__], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _scope(self, job: Job) -> str:
        """Who shares a kept label map: everybody, or with visibility ``own`` whoever handed it in.

        Otherwise ``cached_from``, and an answer within seconds, would tell that somebody else has
        the same scan.
        """
        if self._context.settings["visibility"] == "all":
            return EVERYBODYS
        return json.dumps([job.door, job.submitted_by])

    def find(self, job: Job) -> Kept | None:
        """The kept label map that serves ``job``; one whose file is missing or cut short is forgotten."""
        if not self.keeps(job):
            return None
        kept = self._context.store.cache.find(self._key(job), self._scope(job))
        if kept is None:
            return None
        path = self._context.home.cache / kept.file
        if path.exists() and path.stat().st_size == kept.size:
            return kept
        self._context.store.cache.forget(kept)
        return None

    def discard(self, job: Job) -> None:
        """The kept label map did not serve: compute again next time."""
        kept = self._context.store.cache.find(self._key(job), self._scope(job))
        if kept is not None:
            self._context.store.cache.forget(kept)
            (self._context.home.cache / kept.file).unlink(missing_ok=True)

    def keep(self, job: Job) -> None:
        """After a case is done: its label map serves the next same scan."""
        label_map = self.work(job) / KEEP
        if job.cached_from or not label_map.exists():
            return
        key, scope = self._key(job), self._scope(job)
        name = key if scope == EVERYBODYS else hashlib.sha256(f"{key} {scope}".encode()).hexdigest()
        kept = Kept(key, scope, job.id, f"{name}.seg.nrrd", label_map.stat().st_size)
        os.replace(label_map, self._context.home.cache / kept.file)
        fsync_folder(self._context.home.cache)
        self._context.store.cache.keep(kept)
        self._trim()

    def _trim(self) -> None:
        kept = self._context.store.cache.oldest_first()
        excess = sum(item.size for item in kept) - (self._context.settings["cache_mb"] << 20)
        for item in kept:
            if excess <= 0:
                return
            excess -= item.size
            self._context.store.cache.forget(item)
            (self._context.home.cache / item.file).unlink(missing_ok=True)

    def forget(self, job: Job) -> None:
        """Remove what was kept of ``job``."""
        for item in self._context.store.cache.oldest_first():
            if item.job == job.id:
                self._context.store.cache.forget(item)
                (self._context.home.cache / item.file).unlink(missing_ok=True)

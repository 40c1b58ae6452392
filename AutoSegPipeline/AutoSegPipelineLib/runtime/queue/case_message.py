"""The message that tells a worker what to do, and what the cache knows already. No processes here."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path

from ... import __version__
from ...core.files import fsync_folder
from ...core.incoming import folder_of
from ...core.job import Job
from ...core.messages.worker_messages import CaseOrder, CaseSource
from ...core.store.small_tables import Kept
from ..context import Context

log = logging.getLogger(__name__)
_DECIDES = (
    "engine", "task", "quality", "structures", "modality", "modality_mismatch", "assume_orientation",
)  # fmt: skip
KEEP = "keep.seg.nrrd"
EVERYBODYS = "all"


class CaseMessages:
    """Makes ``case`` messages and keeps label maps for the next same scan."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def work(self, job: Job) -> Path:
        """Temporary folder of this attempt."""
        return self._context.home.work / job.id / str(job.attempt)

    def order(self, job: Job, out: Path, had_gpus: int) -> CaseOrder:
        """What the worker needs; ``job.cached_from`` is set where a kept label map serves."""
        folder, staged = folder_of(self._context.home, job.id), job.staged
        kept = self._find(job)
        job.cached_from = kept.job if kept else None
        work = self.work(job)
        return CaseOrder(
            kind=staged["kind"],
            path=str(folder / staged["path"]),
            affine=staged["affine"],
            modality=job.modality,
            label=job.label,
            stem=job.name,
            options=job.options,
            out=str(out),
            work=str(work),
            labels=staged.get("labels"),
            reuse=str(self._context.home.cache / kept.file) if kept else None,
            keep=str(work / KEEP) if self._keeps(job) and not kept else None,
            source=CaseSource(
                job=job.id,
                attempt=job.attempt,
                format=staged["format"],
                sha256=job.content,
                facts=staged["facts"],
                warnings=job.warnings,
                cached_from=job.cached_from,
                ladder=staged.get("ladder", []),
                version=job.version,
                supersedes=job.supersedes,
            ),
            had_gpus=had_gpus,
        )

    def _keeps(self, job: Job) -> bool:
        return job.staged["kind"] == "scan" and self._context.settings["cache_mb"] > 0

    def _key(self, job: Job) -> str:
        described = self._context.store.meta.get("describe") or {}
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

    def _find(self, job: Job) -> Kept | None:
        if not self._keeps(job):
            return None
        kept = self._context.store.cache.find(self._key(job), self._scope(job))
        if kept is None:
            return None
        path = self._context.home.cache / kept.file
        if path.exists() and path.stat().st_size == kept.size:
            return kept
        self._context.store.cache.forget(kept)
        return None

    def drop(self, job: Job) -> None:
        """The kept label map did not serve: compute anew next time."""
        kept = self._context.store.cache.find(self._key(job), self._scope(job))
        if kept is not None:
            self._context.store.cache.forget(kept)
            (self._context.home.cache / kept.file).unlink(missing_ok=True)

    def keep(self, job: Job) -> None:
        """After a case is done: its label map serves the next same scan."""
        made = self.work(job) / KEEP
        if job.cached_from or not made.exists():
            return
        key, scope = self._key(job), self._scope(job)
        name = key if scope == EVERYBODYS else hashlib.sha256(f"{key} {scope}".encode()).hexdigest()
        kept = Kept(key, scope, job.id, f"{name}.seg.nrrd", made.stat().st_size)
        os.replace(made, self._context.home.cache / kept.file)
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

"""The message that tells a worker what to do. No processes here."""

from __future__ import annotations

from pathlib import Path

from ...core.incoming import folder_of
from ...core.job import Job
from ...core.messages.worker_messages import CaseOrder, CaseSource
from ..context import Context
from .result_cache import KEEP, ResultCache


class CaseMessages:
    """Makes ``case`` messages, with what the cache already has for them."""

    def __init__(self, context: Context, cache: ResultCache) -> None:
        self._context = context
        self._cache = cache

    def order(self, job: Job, out: Path, had_gpus: int, cached: bool = True) -> CaseOrder:
        """What the worker needs; ``job.cached_from`` is set where a kept label map serves.

        Not ``cached``: it is computed in any case.
        """
        folder, staged = folder_of(self._context.home, job.id), job.staged
        kept = self._cache.find(job) if cached else None
        job.cached_from = kept.job if kept else None
        work = self._cache.work(job)
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
            table=str((folder / staged["path"]).with_name(staged["table"])) if staged.get("table") else None,
            reuse=str(self._context.home.cache / kept.file) if kept else None,
            keep=str(work / KEEP) if self._cache.keeps(job) and not kept else None,
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
            channels=[str((folder / staged["path"]).parent / name) for name in staged.get("channels") or ()],
        )

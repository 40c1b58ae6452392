"""Brings verified outputs from ``results/.publish-<id>/`` under their names, the manifest last."""

from __future__ import annotations

import os
from pathlib import Path

from ...core.crash_points import reached
from ...core.errors import PipelineError
from ...core.files import fsync_folder, is_sharing_violation, remove_tree
from ...core.job import Job
from ...core.result_formats import ENDINGS, MANIFEST
from ...core.store.scope import WEB
from ...core.store.small_tables import LONGEST_STEM
from ..context import Context


class WaitForResults(Exception):
    """A file is in use or the folder is away; publishing goes on later."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (WaitForResults, (self.reason,))


class Publisher:
    """All renames of results. Without its manifest a case is in no list."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def folder(self, job: Job) -> Path:
        """Where the results of ``job`` belong."""
        return job.folder(self._context.home.results)

    def staging(self, job: Job) -> Path:
        """Where its worker writes; on the same disk as the results, so that a rename is enough."""
        return self.folder(job) / f".publish-{job.id}"

    def fetched(self, job: Job) -> Path:
        """Where what another machine made of this attempt lies until :meth:`accept`.

        Nobody knows when an attempt that was given up is fetched at last; so no two share a folder.
        """
        return self.folder(job) / f".publish-{job.id}-{job.attempt}"

    def accept(self, job: Job) -> None:
        """What was fetched of this attempt is what will be published; raises OSError."""
        remove_tree(self.staging(job))
        os.replace(self.fetched(job), self.staging(job))
        fsync_folder(self.folder(job))

    def prepare(self, job: Job) -> Path:
        """An empty folder for the worker.

        The home's results folder itself is not made: where it has gone, its disk is somewhere else today.
        """
        remove_tree(self.staging(job))
        self.staging(job).mkdir(mode=0o700, parents=bool(job.out))
        return self.staging(job)

    def reserve(self, job: Job, wanted: str) -> str:
        """A stem for ``job`` that no other job and no file in the results folder has.

        Where accounts see only their own cases each gets an ending of its own: a ``-2`` would give
        away that somebody else has a case of that name.
        """
        shown_to_some = bool(job.visible_to) or job.door == WEB
        if shown_to_some and self._context.settings["visibility"] == "own":
            ending = f"-{job.id[:6]}"
            wanted = wanted[: LONGEST_STEM - len(ending)] + ending
        folder = self.folder(job)

        def free(stem: str) -> bool:
            return not any(os.path.lexists(folder / (stem + ending)) for ending in ENDINGS)

        return self._context.store.stems.reserve(wanted, job.id, free)

    def publish(self, job: Job, coming: list[dict[str, object]], earlier: list[dict[str, object]]) -> None:
        """Rename every output in ``coming``, manifest last; each call goes on where the last one stopped.

        ``earlier`` are the outputs that are published now, removed where ``coming``
        does not replace them. Raises :class:`WaitForResults`, or
        ``export.verification`` when an output is nowhere.
        """
        folder, staging = self.folder(job), self.staging(job)
        names = [str(output["name"]) for output in coming]
        manifest = [name for name in names if name.endswith(MANIFEST)]
        if len(manifest) != 1:
            raise PipelineError("export.verification", f"the outputs of {job.name} have no manifest")
        try:
            self._check(job, coming, folder, staging)
            if (staging / manifest[0]).exists():
                for name in {str(output["name"]) for output in earlier} | set(manifest):
                    if name not in names or name == manifest[0]:
                        (folder / name).unlink(missing_ok=True)
                reached("old manifest removed")
            for name in [name for name in names if name not in manifest] + manifest:
                if (staging / name).exists():
                    os.replace(staging / name, folder / name)
                    reached("manifest renamed" if name in manifest else "output renamed")
            fsync_folder(folder)
        except OSError as error:
            if is_sharing_violation(error) or not os.path.isdir(folder):
                raise WaitForResults(f"{error.filename or folder}: {error.strerror}") from error
            raise
        remove_tree(staging)

    def _check(self, job: Job, coming: list[dict[str, object]], folder: Path, staging: Path) -> None:
        for output in coming:
            name, size = str(output["name"]), int(str(output["size"]))
            places = [place / name for place in (staging, folder) if (place / name).exists()]
            if not places or places[0].stat().st_size != size:
                raise PipelineError("export.verification", f"the output {name} of {job.name} is missing")

    def is_complete(self, job: Job) -> bool:
        """Whether the published result still has its manifest, which replacing it removes first."""
        manifests = (str(one["name"]) for one in job.outputs if str(one["name"]).endswith(MANIFEST))
        return any((self.folder(job) / name).is_file() for name in manifests)

    def remove(self, job: Job) -> None:
        """Take all results of ``job`` away, the manifest first."""
        names = [str(output["name"]) for output in job.outputs]
        for name in sorted(names, key=lambda name: not name.endswith(MANIFEST)):
            (self.folder(job) / name).unlink(missing_ok=True)
        remove_tree(self.staging(job))

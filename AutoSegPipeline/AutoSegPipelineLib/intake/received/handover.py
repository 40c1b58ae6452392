"""The one step from received files to jobs, for every door: a crash at any moment neither loses an input
nor makes two jobs of it.

A door keeps what it receives in folders of its own below ``state/``, on the disk of ``state/incoming``::

    handover = Handover(home, "dicom", home.state / "dicom", min_free_bytes)
    # ... the door writes and closes files in a folder below handover.root ...
    handed = handover.hand_over(folder, files, request, by="SCANNER1")
    if handed.carried:
        ask_to_adopt(store, handed.intents)
        handover.remove(folder)

``hand_over`` returns once the input counts: ``plan.json`` in the folder says which received file goes
where, and is written when all of them are durable. Then each job's folder is filled beside the files and
renamed into ``state/incoming``. Every call may be made again after a crash: ``hand_over`` carries on the
plan that it finds, and the pipeline adopts a job once. At its start a door calls ``resume``, asks and
removes for each folder of :meth:`Handover.planned`; folders without a plan are its own affair.

All of it waits for the disk, so no event loop calls it.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Sequence

from ...core import lock
from ...core.commands import Adopt
from ...core.crash_points import reached
from ...core.errors import PipelineError
from ...core.files import (
    free_bytes,
    fsync_folder,
    read_json,
    remove_tree,
    retried,
    sync_paths,
    write_json,
)
from ...core.home import Home
from ...core.incoming import Intent, folder_of
from ...core.store import Store
from .client_input import CaseRequest
from .grouping import Group, ReceivedFile, group

log = logging.getLogger(__name__)

PLAN = "plan.json"
LOCK = "lock"
_MB = 1 << 20


@dataclass(frozen=True)
class Handed:
    """Inputs that count. ``carried`` is False where the disk stopped the rest: ``resume`` goes on with it."""

    intents: list[Intent]
    carried: bool


@dataclass(frozen=True)
class Handover:
    """What one door received becomes jobs; ``root`` holds its folders. Nothing is kept in memory."""

    home: Home
    door: str
    root: Path
    min_free_bytes: int = 0  # that stay free on the disk, or nothing new is handed over

    def hold(self, folder: Path) -> IO[bytes]:
        """Make ``folder`` and lock it while its files come in; closing the answer lets go."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return lock.hold(folder / LOCK)

    def is_held(self, folder: Path) -> bool:
        """Whether a living process is filling ``folder``."""
        return lock.is_locked(folder / LOCK)

    def hand_over(
        self,
        folder: Path,
        files: list[ReceivedFile],
        request: CaseRequest,
        by: str,
        *,
        version: int = 1,
        supersedes: str | None = None,
        visible_to: Sequence[str] = (),
        warnings: Sequence[dict[str, str]] = (),
    ) -> Handed:
        """Make jobs of ``files``; ``folder`` below ``root`` keeps the plan, ``by`` is who brought them.

        ``version``, ``supersedes``, ``visible_to`` and ``warnings`` are those of :class:`~...core.job.Job`.

        Raises, with nothing planned: ``options.*`` and ``request.invalid`` for what the client asked,
        ``input.changed`` where a file is not as long as it was, ``environment.disk_full``. A disk that
        fails later raises nothing, because the input counts by then.
        """
        plan = read_plan(folder)
        if plan is None:
            groups = group(self.root, files, request.expect)
            _check_groups(groups, request)
            check_free(self.root, self.min_free_bytes)
            about = partial(
                replace, version=version, supersedes=supersedes, visible_to=list(visible_to),
                warnings=list(warnings),
            )  # fmt: skip
            intents = [about(inputs.intent(self.door, by, request)) for inputs in groups]
            plan = self._write_plan(folder, groups, intents, by)
        try:
            return Handed(self._carry_out(folder, plan), True)
        except OSError as error:
            log.error("what came by %s waits in %s: %s", self.door, folder, error)
            return Handed([Intent.from_dict(job["intent"]) for job in plan["jobs"]], False)

    def planned(self) -> list[Path]:
        """Folders whose input counts and which a crash or a full disk has left."""
        if not self.root.is_dir():
            return []
        return [folder for folder in sorted(self.root.iterdir()) if (folder / PLAN).exists()]

    def resume(self, folder: Path) -> list[Intent] | None:
        """Carry on the plan in ``folder``; again is fine. Its intents, None where there is no plan."""
        plan = read_plan(folder)
        return None if plan is None else self._carry_out(folder, plan)

    def remove(self, folder: Path) -> None:
        """Remove a folder; the plan goes last, so a crash leaves a folder that still counts or none."""
        if folder.is_dir():
            for path in folder.iterdir():
                if path.name != PLAN:
                    remove_tree(path) if path.is_dir() else path.unlink(missing_ok=True)
        remove_tree(folder)

    # --- the steps ---------------------------------------------------------------------------------

    def _write_plan(
        self, folder: Path, groups: list[Group], intents: list[Intent], by: str
    ) -> dict[str, Any]:
        """Make the files of ``groups`` durable, then what is to become of them."""
        files = [one for inputs in groups for one, _ in inputs.files]
        for one in files:
            if _size(self.root / one.file) != one.size:  # the machine itself went down meanwhile
                raise PipelineError(
                    "input.changed", f"{one.name} is no longer complete; send it again", status=409
                )
        folders = {folder, self.root, *((self.root / one.file).parent for one in files)}
        sync_paths([str(self.root / one.file) for one in files])
        sync_paths([str(path) for path in folders])
        reached("received files durable")
        jobs = [
            {
                "intent": intent.to_dict(),
                "moves": [[one.file, staged] for one, staged in inputs.files],
            }
            for inputs, intent in zip(groups, intents)
        ]
        plan = {"by": by, "jobs": jobs}
        write_json(folder / PLAN, plan)
        reached("handover planned")
        return plan

    def _carry_out(self, folder: Path, plan: dict[str, Any]) -> list[Intent]:
        intents = []
        for job in plan["jobs"]:
            intent = Intent.from_dict(job["intent"])
            intents.append(intent)
            self._complete(folder, intent, job["moves"])
            reached("input handed over")
        fsync_folder(self.home.incoming)
        return intents

    def _complete(self, folder: Path, intent: Intent, moves: list[list[str]]) -> None:
        """Fill the folder of one job and rename it into ``state/incoming``, unless that was done before."""
        place = folder / f"job-{intent.id}"
        pairs = [(self.root / source, place / "input" / staged) for source, staged in moves]
        if not place.exists() and not any(source.exists() for source, _ in pairs):
            return
        (place / "input").mkdir(mode=0o700, parents=True, exist_ok=True)
        for source, target in pairs:
            if source.exists():
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                retried(partial(os.rename, source, target))
                reached("received file moved")
        write_json(place / "intent.json", intent.to_dict())
        for parent in {target.parent for _, target in pairs} | {place / "input", place}:
            fsync_folder(parent)
        reached("input complete")
        retried(lambda: os.rename(place, folder_of(self.home, intent.id)))


def ask_to_adopt(store: Store, intents: list[Intent]) -> dict[str, int]:
    """Ask the pipeline to make the jobs of ``intents``; the request's number by job. Again is fine."""
    with store.transaction():
        return {one.id: store.requests.ask(Adopt(one.id), one.by) for one in intents}


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The plan in a folder, or None where there is no complete one."""
    try:
        found = read_json(folder / PLAN)
        return found if isinstance(found["jobs"], list) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_free(folder: Path, min_free_bytes: int, size: int = 0) -> None:
    """Raise ``environment.disk_full`` where ``size`` more bytes would leave too little free."""
    free = free_bytes(folder)
    if free - size < min_free_bytes:
        raise PipelineError(
            "environment.disk_full",
            f"{free // _MB} MB are free on the server's disk, and {min_free_bytes // _MB} MB must stay free",
            status=507,
        )


def _check_groups(groups: list[Group], request: CaseRequest) -> None:
    if not groups:
        raise PipelineError("request.invalid", "there is no scan among the files", status=422)
    if request.name and len(groups) > 1:
        raise PipelineError(
            "request.invalid", f"name goes with one input; these are {len(groups)}", status=422
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1

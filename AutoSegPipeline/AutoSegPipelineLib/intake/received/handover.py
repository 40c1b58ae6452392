"""The step from received files to jobs, which a crash at any moment neither loses nor does twice.

``plan.json`` is the moment from which the input counts: it says which received file goes where,
and is written when all of them are durable. Then each job's folder is put together beside the
uploads and renamed into ``state/incoming`` whole, and the pipeline is asked to adopt it. Who
finds a plan goes on where it stopped.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from ...core.crash_points import reached
from ...core.errors import PipelineError
from ...core.files import fsync_file, fsync_folder, read_json, retried, write_json
from ...core.home import Home
from ...core.incoming import Intent, folder_of
from .grouping import Group
from .request import UploadRequest

PLAN = "plan.json"
LOCK = "lock"


def write_plan(root: Path, drop: Path, groups: list[Group], owner: str, wish: UploadRequest) -> list[Intent]:
    """Make the files of ``groups`` durable, then what is to become of them."""
    folders = {drop, root}
    for made in groups:
        for one, _ in made.files:
            if (root / one.file).stat().st_size != one.size:  # the machine itself went down meanwhile
                raise PipelineError("web.upload_incomplete", f"{one.label} is no longer whole; send it again")
            fsync_file(root / one.file)
            folders.add((root / one.file).parent)
    for folder in folders:
        fsync_folder(folder)
    reached("upload durable")
    intents = [made.intent(owner, wish) for made in groups]
    jobs = [
        {"intent": intent.to_dict(), "moves": [[one.file, staged] for one, staged in made.files]}
        for intent, made in zip(intents, groups)
    ]
    write_json(drop / PLAN, {"owner": owner, "jobs": jobs})
    reached("upload planned")
    return intents


def read_plan(drop: Path) -> dict[str, Any] | None:
    """The plan in a folder, or None where there is no whole one."""
    try:
        found = read_json(drop / PLAN)
        return found if isinstance(found["jobs"], list) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def carry_out(home: Home, root: Path, drop: Path, plan: dict[str, Any]) -> list[Intent]:
    """Bring every input of ``plan`` into ``state/incoming``; again is fine. The intents."""
    intents = []
    for job in plan["jobs"]:
        intent = Intent.from_dict(job["intent"])
        intents.append(intent)
        _one(home, root, drop, intent, job["moves"])
        reached("upload handed over")
    fsync_folder(home.incoming)
    return intents


def _one(home: Home, root: Path, drop: Path, intent: Intent, moves: list[list[str]]) -> None:
    made = drop / f"job-{intent.id}"
    sources = [(root / source, made / "input" / staged) for source, staged in moves]
    if not made.exists() and not any(source.exists() for source, _ in sources):
        return  # it was handed over before
    (made / "input").mkdir(mode=0o700, parents=True, exist_ok=True)
    for source, place in sources:
        if source.exists():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            retried(partial(os.rename, source, place))
    write_json(made / "intent.json", intent.to_dict())
    for folder in {place.parent for _, place in sources} | {made / "input"}:
        fsync_folder(folder)
    fsync_folder(made)
    retried(lambda: os.rename(made, folder_of(home, intent.id)))

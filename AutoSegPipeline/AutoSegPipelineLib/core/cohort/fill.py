"""Bring the table up to date with a folder of results or with a home; only what changed is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Collection

from ..errors import PipelineError
from ..home import Home
from ..job import Job
from ..result_formats import MANIFEST
from ..store import Store
from .forget import REVISION
from .read_case import manifests, read_case
from .table import About, Cohort

_STORE = "store"


@dataclass
class Filled:
    """``read`` cases were new or changed; ``unreadable`` says of each that was left out why."""

    read: int = 0
    unreadable: list[str] = field(default_factory=list)


def fill_from_folder(
    cohort: Cohort,
    folder: Path,
    leave_out: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Filled:
    """Every manifest in ``folder`` but those of the cases called ``leave_out``.

    ``progress`` is given how many cases are read and how many there are. Raises OSError.
    """
    found, known, filled = manifests(folder), cohort.stamps(), Filled()
    for name in leave_out:
        found.pop(name + MANIFEST, None)
    with cohort.filling():
        for key in known.keys() - found.keys():
            cohort.remove(key)
        for number, (key, stamp) in enumerate(sorted(found.items())):
            if known.get(key) != stamp:
                _read(cohort, filled, folder / key, key, stamp, About())
            if progress is not None:
                progress(number + 1, len(found))
    return filled


def fill_from_home(cohort: Cohort, home: Home, store: Store) -> Filled:
    """Every case of the pipeline that has results, with its review and who may see it."""
    filled = Filled()
    if _is_new(cohort, home, store):
        with cohort.filling():
            _fill(cohort, filled, home, store)
    return filled


def _since(cohort: Cohort, home: Home, store: Store) -> int:
    """Up to which revision of the store the table has been filled; 0 where another store lay there."""
    same = cohort.meta(_STORE) == str(home.store)
    since = int(cohort.meta(REVISION) or 0) if same else 0
    return since if since <= store.revision() else 0


def _is_new(cohort: Cohort, home: Home, store: Store) -> bool:
    since = _since(cohort, home, store)
    return since == 0 or since != store.revision()


def _fill(cohort: Cohort, filled: Filled, home: Home, store: Store) -> None:
    # The revision of before the first look: what happens during the looks is looked at again.
    now, since, known = store.revision(), _since(cohort, home, store), cohort.stamps()
    if since == 0:
        for key in known:
            cohort.remove(key)
        known = {}
    for key in store.jobs.deleted(since) if since else ():
        cohort.remove(key)
    for job in store.jobs.changed(since):
        _take(cohort, filled, home, job, known.get(job.id, ""))
    cohort.note(REVISION, str(now))
    cohort.note(_STORE, str(home.store))


def _take(cohort: Cohort, filled: Filled, home: Home, job: Job, known: str) -> None:
    named = [one for one in job.outputs if str(one["name"]).endswith(MANIFEST)]
    if not named:
        cohort.remove(job.id)
        return
    stamp, about = str(named[0]["sha256"]), about_job(job)
    if known == stamp:
        cohort.describe(job.id, about)
        return
    _read(cohort, filled, job.folder(home.results) / str(named[0]["name"]), job.id, stamp, about, job.id)


def about_job(job: Job) -> About:
    """What the row of ``job`` says beside its files."""
    review = job.review
    return About(
        door=job.door,
        submitted_by=job.submitted_by,
        visible_to=json.dumps(job.visible_to),
        mark=str(review.get("mark", "")),
        remark=str(review.get("remark", "")),
        reviewed_by=str(review.get("by", "")),
        outdated=bool(review["outdated"]) if review else None,
    )


def _read(
    cohort: Cohort, filled: Filled, path: Path, key: str, stamp: str, about: About, job: str = ""
) -> None:
    """``job`` is its id where the store says it; a manifest may come from elsewhere."""
    try:
        case = read_case(path)
        cohort.put(key, stamp, replace(case, job=job or case.job), about)
        filled.read += 1
    except PipelineError as error:
        cohort.remove(key)
        filled.unreadable.append(error.message)

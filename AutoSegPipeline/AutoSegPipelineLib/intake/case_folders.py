"""Gives every further case of one input a folder of its own; begun again after a crash."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Callable, Mapping, Sequence

from ..core import incoming
from ..core.errors import PipelineError
from ..core.files import retried, sync_paths, write_json
from ..core.incoming import Intent, IntentFile
from ..core.messages.found_cases import CasePart, SplitPlan
from ..core.messages.reader import plain
from ..core.progress import no_check
from .ended_inputs import link_files, move_files

PLAN = "split.json"


def divide(
    folder: Path, parts: Sequence[CasePart], done: Sequence[str], check: Callable[[], None] = no_check
) -> None:
    """The first of ``parts`` keeps ``folder`` (``state/incoming/<id>``), the others get one beside it.

    In this order, each durable before the next: the plan, so that all of it can be begun again; the
    others' intents, files and volumes; what is theirs leaves ``folder``. Parts that are ``done`` (their
    rows are there) are left alone. Raises ``input.missing`` and ``environment.*``.
    """
    intent = incoming.read_intent(folder)
    if intent is None:
        raise PipelineError("input.missing", f"{folder} has no intent.json; nothing was divided")
    if not (folder / PLAN).exists():
        write_json(folder / PLAN, plain(SplitPlan(list(parts))))
    others = replace(intent, parent=intent.id, files=[], container=False)
    by_name = {item.name: item for item in intent.files}
    left = set(done)
    written: list[str] = []
    for part in parts[1:]:
        check()
        if part.id not in left:
            written += _give(folder, folder.parent / part.id, others, by_name, part)
    sync_paths([str(folder.parent), *written])
    _keep_own(folder, intent, parts)


def _give(
    folder: Path, target: Path, others: Intent, by_name: Mapping[str, IntentFile], part: CasePart
) -> list[str]:
    """Intent, files and volume of one part; what has to be synced."""
    own = incoming.read_intent(target)
    if own is None:
        found = part.found
        label = found.label or others.label
        files = [by_name[name] for name in dict.fromkeys(found.files) if name in by_name]
        own = replace(others, id=target.name, label=label, only=[label], files=files)
        (target / "input").mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(target / "intent.json", own.to_dict(), durable=False)
    pairs = [(folder / "input" / item.name, target / "input" / item.name) for item in own.files]
    link_files(pairs, incoming.given_names(own))
    paths = {target, target / "intent.json", target / "input", *(place.parent for _, place in pairs)}
    if part.case is not None:
        product = Path(part.case.path).parent
        move_files([(product, target / "work" / product.name)])
    return [str(path) for path in paths]


def _keep_own(folder: Path, intent: Intent, parts: Sequence[CasePart]) -> None:
    """What went to the others leaves ``folder``; before, its intent says what is left.

    What is nobody's stays: a folder's options are read when the rows are written.
    """
    found = parts[0].found
    others = {name for part in parts[1:] for name in part.found.files}
    others -= set(found.files)
    kept = [item for item in intent.files if item.name not in others]
    write_json(folder / "intent.json", replace(intent, files=kept, only=[found.label]).to_dict())
    for name in others:
        place = folder / "input" / name
        if os.path.lexists(place):
            retried(place.unlink)

"""Hand-overs as tasks of the intake child, for doors whose event loop must not wait for the disk."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Iterable

from ...core.errors import PipelineError
from ...core.home import Home
from ...core.incoming import Intent
from ...core.messages.handover_messages import (
    DoorFolders,
    HandedOver,
    HandOver,
    Resumed,
    ResumedFolder,
    ResumeHandovers,
)
from ...core.messages.reader import read
from .client_input import CaseRequest
from .grouping import ReceivedFile
from .handover import Handover


def hand_over_task(
    door: Handover, folder: Path, files: list[ReceivedFile], request: CaseRequest, by: str
) -> HandOver:
    """The task of which :func:`hand_over` is the answer."""
    rows = [(one.file, one.name, one.size, one.sha256) for one in files]
    return HandOver(_folders_of(door), str(folder), rows, request.to_dict(), by)


def hand_over(task: HandOver) -> HandedOver:
    """What :meth:`Handover.hand_over` does, in the intake child."""
    files = [ReceivedFile(*one) for one in task.files]
    request = read(CaseRequest, task.request)
    handed = _door(task.door).hand_over(Path(task.folder), files, request, task.by)
    return HandedOver(_values(handed.intents), handed.carried)


def resume_task(door: Handover, folders: list[Path]) -> ResumeHandovers:
    """The task of which :func:`resume` is the answer."""
    return ResumeHandovers(_folders_of(door), [str(folder) for folder in folders])


def resume(task: ResumeHandovers) -> Resumed:
    """Carry on each plan in the folders and remove those without one, but for what a living process holds."""
    door, resumed, faults = _door(task.door), list[ResumedFolder](), list[str]()
    for folder in map(Path, task.folders):
        try:
            if not folder.is_dir() or door.is_held(folder):
                continue
            intents = door.resume(folder)
            if intents is None:
                door.remove(folder)
            else:
                resumed.append(ResumedFolder(str(folder), _values(intents)))
        except (OSError, PipelineError) as error:  # one keeps nobody from the others
            faults.append(f"{folder}: {error}")
    return Resumed(resumed, faults)


def intents_of(values: Iterable[dict[str, object]]) -> list[Intent]:
    """The intents of an answer; they come without their files, which may be thousands."""
    return [Intent.from_dict(one) for one in values]


def _folders_of(door: Handover) -> DoorFolders:
    home = {name: str(value) for name, value in asdict(door.home).items()}
    return DoorFolders(home, door.door, str(door.root), door.min_free_bytes)


def _door(folders: DoorFolders) -> Handover:
    home = Home(**{name: Path(value) for name, value in folders.home.items()})
    return Handover(home, folders.door, Path(folders.root), folders.min_free_bytes)


def _values(intents: list[Intent]) -> list[dict[str, object]]:
    return [replace(one, files=[]).to_dict() for one in intents]

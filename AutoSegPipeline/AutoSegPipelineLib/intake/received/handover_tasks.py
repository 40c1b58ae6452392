"""Hand-overs as tasks of the intake child, for doors whose event loop must not wait for the disk."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, replace
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

_LIST = "received.jsonl"


class ReceivedList:
    """The files of one hand-over, written down beside them as they come: thousands in one message would hold
    an event loop for half a second. Raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._stream = open(folder / _LIST, "x", encoding="utf-8")  # noqa: SIM115 - until close()
        self.count = 0

    def add(self, file: ReceivedFile) -> None:
        """``file`` is complete."""
        self._stream.write(json.dumps(astuple(file)) + "\n")
        self.count += 1

    def close(self) -> None:
        """No more come; again is fine."""
        self._stream.close()


def hand_over_task(door: Handover, folder: Path, request: CaseRequest, by: str) -> HandOver:
    """The task of which :func:`hand_over` is the answer, for the files in the closed list of ``folder``."""
    return HandOver(_folders_of(door), str(folder), request.to_dict(), by)


def hand_over(task: HandOver) -> HandedOver:
    """What :meth:`Handover.hand_over` does, in the intake child."""
    folder = Path(task.folder)
    with open(folder / _LIST, encoding="utf-8") as lines:
        files = [ReceivedFile(*json.loads(line)) for line in lines]
    request = read(CaseRequest, task.request)
    handed = _door(task.door).hand_over(folder, files, request, task.by)
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

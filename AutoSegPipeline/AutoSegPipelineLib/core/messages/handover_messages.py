"""What the pipeline asks its intake child about files that a door received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, List, Type

from .intake_messages import IntakeTask


@dataclass(frozen=True)
class DoorFolders:
    """A ``Handover``: the folders of the home by name, the door, where its folders lie."""

    home: Dict[str, str]
    door: str
    root: str
    min_free_bytes: int = 0


@dataclass(frozen=True)
class HandedOver:
    """The intents of the jobs, without their files; ``carried`` is False where the disk stopped the rest."""

    intents: List[Dict[str, object]]
    carried: bool


@dataclass(frozen=True)
class HandOver(IntakeTask[HandedOver]):
    """Make jobs of the files in the list of ``folder``, which also keeps the plan."""

    NAME: ClassVar[str] = "hand_over"
    ANSWER: ClassVar[Type[object]] = HandedOver

    door: DoorFolders
    folder: str
    request: Dict[str, object]
    by: str


@dataclass(frozen=True)
class ResumedFolder:
    """A folder whose plan was carried on, with the intents of its jobs (without their files)."""

    folder: str
    intents: List[Dict[str, object]]


@dataclass(frozen=True)
class Resumed:
    """``faults`` says which folders must wait, and why."""

    resumed: List[ResumedFolder]
    faults: List[str]


@dataclass(frozen=True)
class ResumeHandovers(IntakeTask[Resumed]):
    """Carry on each plan in ``folders``; remove those without one, but for what a living process holds."""

    NAME: ClassVar[str] = "resume_handovers"
    ANSWER: ClassVar[Type[object]] = Resumed

    door: DoorFolders
    folders: List[str]

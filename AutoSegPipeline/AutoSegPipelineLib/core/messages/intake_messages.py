"""What the pipeline asks its intake child: one class for each task, which names the class of its answer."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar, Dict, Generic, List, Optional, Tuple, Type, TypeVar, cast

from ..settings import Settings
from .child_messages import Message
from .examined_files import Examined
from .found_cases import CasePart, Inspected
from .reader import read

A_co = TypeVar("A_co", covariant=True)


@dataclass(frozen=True)
class RunTask(Message):
    """To the intake child: do the task of this name; ``args`` are the fields of its :class:`IntakeTask`."""

    TYPE: ClassVar[str] = "task"
    PAYLOAD: ClassVar[str] = "args"

    task: str
    args: Dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Nothing:
    """The answer of a task that was done and has no more to say."""


@dataclass(frozen=True)
class IntakeTask(Generic[A_co]):
    """``NAME`` is the task's on the wire, ``ANSWER`` the class ``A_co`` of its answer."""

    NAME: ClassVar[str] = ""
    ANSWER: ClassVar[Type[object]] = Nothing

    def answer(self, values: object) -> A_co:
        """The answer that the JSON ``values`` describe; raises ``worker.protocol``."""
        return cast("A_co", read(self.ANSWER, values, self.NAME))


@dataclass(frozen=True)
class Examine(IntakeTask[Examined]):
    """Take a first look at files: what each is and whether it is complete."""

    NAME: ClassVar[str] = "examine"
    ANSWER: ClassVar[Type[object]] = Examined

    paths: List[str]


@dataclass(frozen=True)
class CopiedFile:
    """A file that was copied to ``to``."""

    to: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Copied:
    """The answer to :class:`Copy`."""

    files: List[CopiedFile]


@dataclass(frozen=True)
class Copy(IntakeTask[Copied]):
    """Copy each (from, to), durably. ``work`` is the folder of the job."""

    NAME: ClassVar[str] = "copy"
    ANSWER: ClassVar[Type[object]] = Copied

    pairs: List[Tuple[str, str]]
    work: str = ""


@dataclass(frozen=True)
class Sync(IntakeTask[Nothing]):
    """Have the bytes of files and the entries of folders written to the disk."""

    NAME: ClassVar[str] = "sync"

    paths: List[str]


@dataclass(frozen=True)
class Checkpoint(IntakeTask[Nothing]):
    """Bring the journal of the database ``store`` in."""

    NAME: ClassVar[str] = "checkpoint"

    store: str


@dataclass(frozen=True)
class Hashed:
    """SHA-256 (hex) and size of a file."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Hash(IntakeTask[Hashed]):
    """Hash a file."""

    NAME: ClassVar[str] = "hash"
    ANSWER: ClassVar[Type[object]] = Hashed

    path: str


@dataclass(frozen=True)
class Limits:
    """The settings of these names: what is larger is refused."""

    max_voxels: int = 2_000_000_000
    archive_max_files: int = 20_000
    archive_max_mb: int = 16_384
    archive_max_ratio: float = 200.0

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of ``settings``."""
        return read(cls, {one.name: settings[one.name] for one in fields(cls)}, "settings")


@dataclass(frozen=True)
class Inspect(IntakeTask[Inspected]):
    """Find the cases in the staged ``folder``; what is made of them goes to ``work``.

    ``names`` maps a staged file's relative name to its source's; without it the intent beside the
    folder says it. ``key`` (hex) keys the hash in DICOM stems. ``only`` (labels) leaves out every
    other case, for a retry of one part of an archive. ``options`` are resolved from all but files in
    the job; ``caller`` are those among them that win over such files. ``own_outputs`` are hashes of
    results of ours. ``labels``: the caller's table of names, or a task.
    ``label`` is what the input is called; ``models`` the folder of users' own models, whose channels are
    joined.
    """

    NAME: ClassVar[str] = "inspect"
    ANSWER: ClassVar[Type[object]] = Inspected

    folder: str
    work: str
    options: Dict[str, object] = field(default_factory=dict)
    caller: Optional[Dict[str, object]] = None
    expect: str = "scan"
    limits: Limits = Limits()
    names: Dict[str, str] = field(default_factory=dict)
    key: Optional[str] = None
    only: Optional[List[str]] = None
    own_outputs: List[str] = field(default_factory=list)
    labels: str = ""
    label: str = ""
    models: str = ""


@dataclass(frozen=True)
class ArchivedInput:
    """The folder to which an input was moved."""

    folder: str


@dataclass(frozen=True)
class ArchiveInput(IntakeTask[ArchivedInput]):
    """Move the input in ``folder`` to ``parent/name`` with the ``reason``."""

    NAME: ClassVar[str] = "archive_input"
    ANSWER: ClassVar[Type[object]] = ArchivedInput

    folder: str
    parent: str
    name: str
    reason: Dict[str, object]


@dataclass(frozen=True)
class FetchedBack:
    """The job whose input is back."""

    id: str


@dataclass(frozen=True)
class FetchBack(IntakeTask[FetchedBack]):
    """Bring an archived input back: from ``folder`` to ``target`` in ``state/incoming``."""

    NAME: ClassVar[str] = "fetch_back"
    ANSWER: ClassVar[Type[object]] = FetchedBack

    folder: str
    target: str


@dataclass(frozen=True)
class Link(IntakeTask[Nothing]):
    """Give each (from, to) a second name; ``names`` are what the source called the files."""

    NAME: ClassVar[str] = "link"

    pairs: List[Tuple[str, str]]
    names: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Divide(IntakeTask[Nothing]):
    """Give each of ``parts`` but the first a folder of its own; those in ``done`` (ids) have theirs."""

    NAME: ClassVar[str] = "divide"

    folder: str
    parts: List[CasePart]
    done: List[str] = field(default_factory=list)

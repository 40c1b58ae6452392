"""What lies where in a bundle, and how it is read.

::

    BUNDLE/
      bundle.json            the list of cases, written last: without it the bundle is not complete
      stop                   marker of the pipeline: start no further case
      workers/NAME.json      each worker: alive
      cases/JOB-ATTEMPT/
        case.json            the worker protocol's order with paths below this folder; sizes and hashes
        input/               the files that it names
        cancel               marker of the pipeline: give this case up
        claim-N/             the Nth worker that took the case; the highest number has it
        progress.json        of the worker that has it; its count grows with each heartbeat
        log.txt              what workers wrote about it
        .result-N/           what claim N is making
        result/              one of those, renamed in one step: the files and outcome.json

Each file has one writer and is replaced in one step. Nothing here compares times of two machines: a
reader sees whether a count still changes by its own monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Callable, Dict, List, Optional, TypeVar

from ..errors import PipelineError
from ..files import read_json
from ..messages.reader import ProtocolError, read
from ..messages.worker_messages import CaseOrder

VERSION = 1
LIST = "bundle.json"
STOP = "stop"
WORKERS = "workers"
CASES = "cases"
CASE = "case.json"
INPUT = "input"
CANCEL = "cancel"
CLAIM = "claim-"
PROGRESS = "progress.json"
LOG = "log.txt"
MAKING = ".result-"
RESULT = "result"
OUTCOME = "outcome.json"
KEPT = "keep.seg.nrrd"  # the label map for the pipeline's result cache, where the order asks for one

M = TypeVar("M")


@dataclass(frozen=True)
class FileFacts:
    """Bytes and hex SHA-256 of a file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class BundleEntry:
    """A case in the list; ``folder`` is its name below ``cases``."""

    job: str
    attempt: int
    folder: str


@dataclass(frozen=True)
class BundleList:
    """``bundle.json``. ``pipeline`` is the id of the home that made it.

    ``ladder``: a worker itself tries a case that did not fit into memory with the next options of the
    ladder; else it reports it at once, and whoever made the bundle may ask for more memory. ``engines`` are
    the different values of that option.
    """

    version: int
    id: str
    pipeline: str = ""
    ladder: bool = False
    cases: List[BundleEntry] = field(default_factory=list)
    engines: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class BundledCase:
    """``case.json``; the paths of ``order`` are below the case's folder, ``out`` and ``work`` empty."""

    version: int
    job: str
    attempt: int
    order: CaseOrder
    inputs: Dict[str, FileFacts] = field(default_factory=dict)  # by path below the case's folder


@dataclass(frozen=True)
class CaseProgress:
    """``progress.json``: where a case is; ``progress`` 0..1, ``eta_s`` seconds left."""

    count: int
    claim: int = 0
    stage: str = ""
    progress: float = 0.0
    message: str = ""
    eta_s: Optional[float] = None
    host: str = ""
    pid: int = 0
    scheduler_job: str = ""


@dataclass(frozen=True)
class WorkerAlive:
    """``workers/NAME.json``; ``case`` is the folder of the case at hand, empty between cases."""

    count: int
    host: str
    pid: int
    scheduler_job: str = ""
    version: str = ""
    python: str = ""
    case: str = ""
    done: int = 0


@dataclass(frozen=True)
class Outcome:
    """``outcome.json``: how a case ended.

    ``ok``: ``result`` is the :class:`..messages.worker_messages.CaseResult` of a local worker's answer and
    ``files`` are the files beside ``outcome.json``. Else ``error`` has code, message and hint; ``memory``:
    the memory did not suffice. ``options`` and ``ladder`` are those of the last try, ``used`` what the
    engine said that it used, ``seconds`` how long the last try took.
    """

    ok: bool
    result: Optional[Dict[str, object]] = None
    files: Dict[str, FileFacts] = field(default_factory=dict)
    error: Optional[Dict[str, str]] = None
    memory: bool = False
    used: Dict[str, str] = field(default_factory=dict)
    options: Dict[str, object] = field(default_factory=dict)
    ladder: List[str] = field(default_factory=list)
    seconds: float = 0.0
    tries: int = 1
    host: str = ""
    scheduler_job: str = ""
    version: str = ""


class CaseFolder:
    """One case of a bundle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """``JOB-ATTEMPT``."""
        return self.path.name

    @property
    def log(self) -> Path:
        """What workers wrote about it; may be absent."""
        return self.path / LOG

    @property
    def result(self) -> Path:
        """The finished files; there or absent, never half."""
        return self.path / RESULT

    @property
    def is_finished(self) -> bool:
        """Whether it has a result, good or bad."""
        return (self.result / OUTCOME).exists()

    @property
    def is_cancelled(self) -> bool:
        """Whether the pipeline gave it up."""
        return (self.path / CANCEL).exists()

    def cancel(self) -> None:
        """Ask whoever has it to give it up."""
        (self.path / CANCEL).touch()

    def read(self) -> BundledCase:
        """Its ``case.json``; raises ``environment.bundle_damaged``, OSError where the share fails."""
        return _read(BundledCase, self.path / CASE)

    def outcome(self) -> Outcome | None:
        """How it ended, or None while it has not; raises as :meth:`read`."""
        return _read(Outcome, self.result / OUTCOME) if self.is_finished else None

    def progress(self) -> CaseProgress | None:
        """Where it is, or None where nobody has it or the file cannot be read now."""
        return read_or_none(CaseProgress, self.path / PROGRESS)

    def claim_number(self) -> int:
        """The highest claim; 0 for none. Raises OSError."""
        numbers = [one.name[len(CLAIM) :] for one in self.path.iterdir() if one.name.startswith(CLAIM)]
        return max((int(number) for number in numbers if number.isdigit()), default=0)

    def order(self, case: BundledCase, out: Path, work: Path) -> CaseOrder:
        """The order of ``case`` with absolute paths; raises ``environment.bundle_damaged``."""
        order = with_paths(case.order, lambda name: str(self.path / inner_path(name)))
        keep = str(out / KEPT) if case.order.keep else None
        return replace(order, out=str(out), work=str(work), keep=keep)


class Bundle:
    """A bundle on the share."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_complete(self) -> bool:
        """Whether all its cases are there."""
        return (self.path / LIST).exists()

    @property
    def is_stopped(self) -> bool:
        """Whether no further case may start."""
        return (self.path / STOP).exists()

    def stop(self) -> None:
        """Ask workers to start no further case."""
        (self.path / STOP).touch()

    def read(self) -> BundleList:
        """Its list; raises ``environment.bundle_damaged``, OSError where the share fails."""
        if not self.is_complete:
            text = f"{self.path} is no bundle, or not complete yet: {LIST} is missing"
            raise PipelineError(
                "environment.bundle_damaged", text, "Give the folder that was made as a bundle."
            )
        found = _read(BundleList, self.path / LIST)
        for entry in found.cases:
            bare_name(entry.folder)
        return found

    def folder(self, entry: BundleEntry) -> CaseFolder:
        """The case of an entry of the list."""
        return CaseFolder(self.path / CASES / entry.folder)

    def workers(self) -> list[WorkerAlive]:
        """Every worker that ever wrote here; who is alive counts on."""
        found = (read_or_none(WorkerAlive, one) for one in (self.path / WORKERS).glob("*.json"))
        return [one for one in found if one is not None]


def with_paths(order: CaseOrder, changed: Callable[[str], str]) -> CaseOrder:
    """``order`` with each of its input paths changed; ``out``, ``work`` and ``keep`` stay."""

    def maybe(path: str | None) -> str | None:
        return changed(path) if path else path

    return replace(
        order,
        path=changed(order.path),
        labels=maybe(order.labels),
        table=maybe(order.table),
        reuse=maybe(order.reuse),
        segmented=maybe(order.segmented),
        given={kind: changed(path) for kind, path in order.given.items()},
        channels=[changed(path) for path in order.channels],
    )


def inner_path(name: str) -> PurePosixPath:
    """``name`` as a path that stays below its folder; raises ``environment.bundle_damaged``."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise PipelineError("environment.bundle_damaged", f"{name!r} is no path in a bundle")
    return path


def bare_name(name: str) -> str:
    """``name``, which must name a file without any folder; raises ``environment.bundle_damaged``."""
    if len(inner_path(name).parts) != 1 or name == ".":
        raise PipelineError("environment.bundle_damaged", f"{name!r} is no name in a bundle")
    return name


def _read(kind: type[M], path: Path) -> M:
    try:
        return read(kind, _known_version(read_json(path)))
    except FileNotFoundError:
        raise PipelineError("environment.bundle_damaged", f"{path} is missing") from None
    except (ValueError, RecursionError) as error:
        raise PipelineError("environment.bundle_damaged", f"{path} cannot be read: {error}") from error
    except ProtocolError as error:
        raise PipelineError("environment.bundle_damaged", f"{path}: {error.message}") from error


def _known_version(values: object) -> object:
    """The JSON object, unless a later program wrote it."""
    if isinstance(values, dict) and values.get("version", VERSION) != VERSION and "cases" in values:
        raise ValueError(f"it is a bundle of version {values['version']}, this program knows {VERSION}")
    return values


def read_or_none(kind: type[M], path: Path) -> M | None:
    """What the file says, or None where it is absent or cannot be read now."""
    try:
        return _read(kind, path)
    except (PipelineError, OSError):
        return None

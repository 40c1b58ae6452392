"""The files of the inbox, each in its phase, with the counts that other files' fates hang on. Pure."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Iterator

from ...core.messages.examined_files import DicomHeader, ExaminedFile
from ...intake.case_names import is_junk_name

CHANGING = "changing"
ASKING = "asking"
HELD = "held"  # incomplete or locked: it may still become something
READY = "ready"  # complete; its data file or its options are not at rest
MEMBER = "member"  # a slice of a series that has not settled
DATA = "data"  # waits for the header that names it
UNKNOWN = "unknown"  # no scan, unless a header on its way names it
GIVEN = "given"  # the pipeline has it
SKIPPED = "skipped"  # in the ledger: taken before, and left here
ASIDE = "aside"  # options and resting partial downloads: no business of ours

WAITING_PHASES = frozenset((CHANGING, ASKING, HELD, READY, MEMBER, DATA, UNKNOWN))
_HEADERS = (".mhd", ".nhdr", ".nrrd", ".mha")
_NO_SLICES = (*_HEADERS, ".nii", ".nii.gz", ".zip", ".raw", ".zraw", ".gz", ".json")


@dataclass(frozen=True)
class ArrivedFile:
    """A file as it was when it had arrived."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Arrival:
    """One complete input. ``files[0]`` is the scan (a header before its data); a series has all its slices.

    ``label`` is what the source called it, ``options_file`` the ``NAME.options.json``
    beside it, ``examined`` the intake child's rows, one for each scan file.
    """

    kind: str  # "file" or "series"
    files: tuple[ArrivedFile, ...]
    format: str
    series_uid: str = ""
    patient_key: str = ""
    label: str = ""
    options_file: str | None = None
    examined: tuple[ExaminedFile, ...] = ()


@dataclass
class Entry:
    """One file of the inbox; ``stat`` is (size, mtime_ns, inode), ``since`` when that was first seen.

    ``aside``: options and partial downloads, which are watched and never taken.
    """

    path: str
    folder: str
    relative: str
    stat: tuple[int, int, int]
    since: float
    generation: int
    aside: bool
    phase: str = ""
    row: ExaminedFile | None = None
    not_before: float = 0.0


class Entries:
    """All files by path (in any case on Windows), how many wait, and where something is arriving."""

    def __init__(self) -> None:
        self._by_key: dict[str, Entry] = {}
        self._slices: Counter[str] = Counter()
        self._headers: Counter[str] = Counter()
        self._wanted_by: dict[str, set[str]] = {}  # data file -> headers that name it
        self.waiting = 0

    def find(self, path: str) -> Entry | None:
        return self._by_key.get(os.path.normcase(path))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_key.values())

    def add(self, entry: Entry) -> None:
        self._by_key[os.path.normcase(entry.path)] = entry
        self._count(entry, 1)

    def remove(self, entry: Entry) -> None:
        self._count(entry, -1)
        del self._by_key[os.path.normcase(entry.path)]

    def enter(self, entry: Entry, phase: str) -> None:
        """Move ``entry`` to ``phase``."""
        self._count(entry, -1)
        entry.phase = phase
        self._count(entry, 1)

    def slices_arrive(self, folder: str) -> bool:
        """Whether something that may be DICOM is still on its way in ``folder``."""
        return folder in self._slices

    def headers_arrive(self, folder: str) -> bool:
        """Whether a header that may name any file as its data is on its way in ``folder``."""
        return folder in self._headers

    def want(self, entry: Entry) -> None:
        """Remember which data files the header ``entry`` names: it is examined again when they move."""
        for path in _named(entry):
            self._wanted_by.setdefault(path, set()).add(entry.path)

    def unwant(self, entry: Entry) -> None:
        for path in _named(entry):
            headers = self._wanted_by.get(path, set())
            headers.discard(entry.path)
            if not headers:
                self._wanted_by.pop(path, None)

    def wanted_by(self, path: str) -> set[str]:
        """The headers that name ``path`` as their data."""
        return self._wanted_by.get(os.path.normcase(path), set())

    def _count(self, entry: Entry, by: int) -> None:
        if entry.phase in WAITING_PHASES and not entry.aside:
            self.waiting += by
        incomplete = entry.phase in (CHANGING, ASKING)
        # Incomplete, and perhaps a slice: without it the series would have a hole.
        incomplete |= (
            entry.phase == HELD and entry.row is not None and entry.row.format in ("dicom", "unknown")
        )
        if not incomplete:
            return
        name = entry.path.lower()
        if _may_be_slice(name) and not (entry.aside and not _may_be_slice(os.path.splitext(name)[0])):
            _step(self._slices, entry.folder, by)
        if name.endswith(_HEADERS):
            _step(self._headers, entry.folder, by)


def _may_be_slice(name: str) -> bool:
    """Whether a file that is still arriving may be DICOM, by its lower-case name."""
    return not name.endswith(_NO_SLICES) and not is_junk_name(os.path.basename(name))


def _named(entry: Entry) -> list[str]:
    if entry.row is None:
        return []
    missing = [os.path.join(entry.folder, name) for name in entry.row.missing]
    return [os.path.normcase(path) for path in [*entry.row.companions, *missing]]


def _step(counter: Counter[str], folder: str, by: int) -> None:
    counter[folder] += by
    if not counter[folder]:
        del counter[folder]


def arrived(entry: Entry) -> ArrivedFile:
    """``entry`` as it lies there now."""
    return ArrivedFile(entry.path, entry.stat[0], entry.stat[1])


def series_label(relative: str, dicom: DicomHeader) -> str:
    """Where it lay and which series it is; nothing of the patient."""
    number = "" if dicom.number is None else f" {dicom.number}"
    name = f"{dicom.modality or 'DICOM'} series{number}"
    folder = os.path.dirname(relative)
    return f"{folder}: {name}" if folder else name

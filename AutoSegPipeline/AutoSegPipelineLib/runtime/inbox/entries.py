"""The files of the inbox, each in its phase, with the counts that other files' fates hang on. Pure."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Iterator

from ...core.errors import PipelineError, from_dict
from ...core.messages.examined_files import DicomHeader, ExaminedFile
from ...intake.case_names import OPTIONS_ENDING, is_junk_name, without_endings

CHANGING = "changing"
ASKING = "asking"
HELD = "held"  # incomplete or locked: it may still become something
READY = "ready"  # complete; its data file or its options are not at rest
MEMBER = "member"  # a slice of a series that has not settled
DATA = "data"  # waits for the header that names it
GATHERED = "gathered"  # cannot be taken; the answer about its folder is not complete
PASSED = "passed"  # no scan, beside one: it stays where it is
UNKNOWN = "unknown"  # no scan, unless a header on its way names it
GIVEN = "given"  # the pipeline has it
SKIPPED = "skipped"  # in the ledger: taken before, and left here
ASIDE = "aside"  # options and resting partial downloads: no business of ours

WAITING_PHASES = frozenset((CHANGING, ASKING, HELD, READY, MEMBER, DATA, UNKNOWN, GATHERED))
_SCANS = frozenset((HELD, READY, MEMBER, DATA))
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
    ``top`` is the folder of the inbox in which it lay, ``passed`` names files there that are no scan.
    ``channels`` of one scan may be several files.
    """

    kind: str  # "file" or "series"
    files: tuple[ArrivedFile, ...]
    format: str
    series_uid: str = ""
    patient_key: str = ""
    label: str = ""
    options_file: str | None = None
    examined: tuple[ExaminedFile, ...] = ()
    top: str = ""
    passed: tuple[str, ...] = ()
    channels: int = 1


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

    @property
    def error(self) -> PipelineError:
        """What the examination said is wrong with it."""
        return from_dict((self.row.error if self.row else None) or {})

    @property
    def format(self) -> str:
        """What the examination found it to be."""
        return self.row.format if self.row else ""

    @property
    def top(self) -> str:
        """The folder of the inbox's top level in which it lies, or nothing."""
        return self.relative.partition("/")[0] if "/" in self.relative else ""


class Entries:
    """All files by path (in any case on Windows), how many wait, and where something is arriving."""

    def __init__(self) -> None:
        self._by_key: dict[str, Entry] = {}
        self._slices: Counter[str] = Counter()
        self._headers: Counter[str] = Counter()
        self._tops: Counter[str] = Counter()
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

    def is_busy(self, top: str) -> bool:
        """Whether something is on its way in this folder of the inbox."""
        return top in self._tops

    def at_rest(self, path: str, now: float, settle: float) -> ArrivedFile | float:
        """``path`` as it rests, or when it may have come to rest."""
        entry = self.find(path)
        if entry is None:
            # A name that is listed in another case or not at all; the examination saw it.
            try:
                info = os.lstat(path)
            except OSError:
                return now + settle
            return ArrivedFile(path, info.st_size, info.st_mtime_ns)
        return entry.since + settle if now - entry.since < settle else arrived(entry)

    def has_scan(self, top: str) -> bool:
        """Whether something in this folder of the inbox may still become an input."""
        return any(entry.phase in _SCANS and entry.top == top for entry in self)

    def options_of(self, entry: Entry) -> str | None:
        """The path of the options file beside ``entry``."""
        name = os.path.basename(entry.path)
        for stem in dict.fromkeys((name, without_endings(name))):
            found = self.find(os.path.join(entry.folder, stem + OPTIONS_ENDING))
            if found is not None:
                return found.path
        return None

    def data_changed_since(self, entry: Entry, when: float) -> bool:
        """Whether a data file of this header changed after ``when``: it may still grow."""
        found = [self.find(path) for path in (entry.row.companions if entry.row else [])]
        return any(data is not None and data.since > when for data in found)

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
        if incomplete and not entry.aside:
            _step(self._tops, entry.top, by)
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


def series_arrival(entries: list[Entry], rows: dict[str, ExaminedFile], options: str | None) -> Arrival:
    """The arrival of a series, whose files are ``entries``; ``rows`` by path."""
    first = rows[entries[0].path].dicom or DicomHeader()
    return Arrival(
        "series",
        tuple(arrived(entry) for entry in entries),
        "dicom",
        first.series_uid,
        first.patient_key,
        series_label(entries[0].relative, first),
        options,
        tuple(rows[entry.path] for entry in entries),
        entries[0].top,
    )


def series_label(relative: str, dicom: DicomHeader) -> str:
    """Where it lay and which series it is; nothing of the patient."""
    number = "" if dicom.number is None else f" {dicom.number}"
    name = f"{dicom.modality or 'DICOM'} series{number}"
    folder = os.path.dirname(relative)
    return f"{folder}: {name}" if folder else name

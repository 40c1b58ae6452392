"""The folder of one series in the spool; :mod:`.spool` shows what lies in it."""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import sys
import threading
import time
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ...core.crash_points import reached
from ...core.files import fsync_folder, read_json, remove_tree, write_json
from .instance_file import InstanceFile

NOTE = "series.json"
OPEN = "open"
_GONE = "gone-"
_VERSION = re.compile(r"v(\d{4,})")
_HASH = 32
_INSTANCE = re.compile(r"[0-9a-f]{32}-(\d+)(?:-\d+)?\.dcm")
_SYNC_FIRST = sys.platform == "win32"  # which renames no open file, and needs no sync of folders


@dataclass(frozen=True)
class Origin:
    """Who sent a series to which of our titles. The UIDs are those in the headers."""

    called: str
    calling: str
    address: str
    study: str
    series: str
    account: str = ""  # of the web application; it sees the jobs


@dataclass(frozen=True)
class Note:
    """``series.json``: ``done`` is the last version that needs nothing more, ``jobs`` those of the last
    version that became one.
    """

    origin: Origin
    done: int = 0
    jobs: tuple[str, ...] = ()


class SeriesFolder:
    """One series. ``first`` and ``last`` are when instances of the open version came (monotonic); ``first``
    is that of the oldest file after a start.

    ``broken_off``: the last association that brought some was not released.
    """

    def __init__(self, folder: Path, note: Note) -> None:
        self.folder, self.note = folder, note
        self.key = folder.name
        self.associations: set[int] = set()
        self.broken_off = False
        self.first = self.last = time.monotonic()
        self.instances = self.bytes = 0  # of the open version
        self.retry_at, self.problem = 0.0, ""
        self._writing = 0
        self._changed = threading.Condition()
        versions = [found for found in map(_VERSION.fullmatch, _names(folder)) if found]
        self.closed = max([note.done, *(int(one.group(1)) for one in versions)])
        self.has_open = (folder / OPEN).is_dir()
        self._known: dict[str, tuple[str, ...]] = {}  # names of the newest instances, by hash of their UID
        self._in_open: set[str] = set()

    @classmethod
    def read(cls, folder: Path) -> SeriesFolder | None:
        """The series in ``folder``; None where a crash has left no note, and then no instance either."""
        try:
            values = read_json(folder / NOTE)
            note = Note(Origin(**values["origin"]), int(values["done"]), tuple(values["jobs"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return cls(folder, note)

    @classmethod
    def make(cls, folder: Path, origin: Origin) -> SeriesFolder:
        """A new one, durable. Raises OSError."""
        folder.mkdir(mode=0o700, exist_ok=True)
        _write(folder, Note(origin))
        fsync_folder(folder.parent)
        return cls(folder, Note(origin))

    def recover(self) -> None:
        """Count what an earlier process has left in ``open``, without instances that it never answered."""
        self.broken_off = self.has_open
        oldest = time.time()
        for one in os.scandir(self.folder / OPEN) if self.has_open else ():
            stated, found = _INSTANCE.fullmatch(one.name), one.stat()
            if stated is None or int(stated.group(1)) != found.st_size:
                os.unlink(one.path)
            else:
                self._count(found.st_size)
                oldest = min(oldest, found.st_mtime)
        self.first = time.monotonic() - (time.time() - oldest)

    @property
    def pending(self) -> bool:
        """Whether a closed version waits to become a job."""
        return self.closed > self.note.done

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is coming and nothing waits."""
        return not (self._writing or self.has_open or self.pending)

    # --- instances come in -------------------------------------------------------------------------

    def enter(self, origin: Origin) -> None:
        """Somebody is about to :meth:`add`."""
        with self._changed:
            self._writing += 1
            if origin != self.note.origin and not self.has_open:
                self.note = replace(self.note, origin=origin)  # written when the version is done

    def leave(self) -> None:
        """The opposite of :meth:`enter`."""
        with self._changed:
            self._writing -= 1
            self._changed.notify_all()

    def add(self, file: InstanceFile, association: int, threads: Executor | None) -> bool:
        """Move ``file`` in, durably; False where the same is there. Between :meth:`enter` and :meth:`leave`.

        Its name states its size: after a crash of the machine, a shorter one was never answered.
        ``threads`` sync the folder's entry at the same time as the file, which takes half as long; None
        where the file system does both at once.
        """
        name = hashlib.sha256(file.sop_instance.encode()).hexdigest()[:_HASH]
        with self._changed:
            self.associations.add(association)
            self.last = time.monotonic()
            if self._is_known(name, file):
                file.discard()
                return False
            self._open()
            if _SYNC_FIRST:
                file.close()
            target = self._place(name, file.size)
            try:
                os.rename(file.path, target)
            except OSError:
                self._forget(name, target.name)
                raise
            file.path = target
            self._count(file.size)
        try:
            entry = None if threads is None else threads.submit(fsync_folder, self.folder / OPEN)
            file.close()
            if entry is not None:
                entry.result()
        except OSError:
            self._take_back(name, file)
            raise
        reached("instance noted")
        return True

    def _is_known(self, name: str, file: InstanceFile) -> bool:
        """Whether the newest instance of this UID has the same bytes."""
        self._read_names()
        places = [self.folder / one for one in self._places() if (self.folder / one).is_dir()]
        for there in self._known.get(name, ()):
            path = next((place / there for place in places if (place / there).exists()), None)
            if path is not None and filecmp.cmp(path, file.path, shallow=False):
                return True
        return False

    def _place(self, name: str, size: int) -> Path:
        """A new path in ``open``; which of two different instances of one UID is right the intake decides."""
        names = self._known.get(name, ()) if name in self._in_open else ()
        number = f"-{len(names) + 1}" if names else ""
        given = f"{name}-{size}{number}.dcm"
        self._known[name] = (*names, given)
        self._in_open.add(name)
        return self.folder / OPEN / given

    def _count(self, size: int) -> None:
        self.instances += 1
        self.bytes += size

    def _take_back(self, name: str, file: InstanceFile) -> None:
        with self._changed:
            self._forget(name, file.path.name)
            file.discard()
            self.instances -= 1
            self.bytes -= file.size

    def _forget(self, name: str, given: str) -> None:
        self._known[name] = tuple(one for one in self._known[name] if one != given)

    def _read_names(self) -> None:
        """Which instances are known, once; most series never come a second time."""
        if self._known or not (self.closed or self.has_open):
            return
        for place in reversed(self._places()):
            self._known.update(_by_instance(self.folder / place))
        self._in_open = set(_by_instance(self.folder / OPEN))

    def _places(self) -> list[str]:
        """The folders of instances, the newest first."""
        return [OPEN, *(_version(number) for number in range(self.closed, 0, -1))]

    def _open(self) -> None:
        if not self.has_open:
            (self.folder / OPEN).mkdir(mode=0o700, exist_ok=True)
            fsync_folder(self.folder)
            self.has_open = True
            self.first = time.monotonic()

    # --- versions ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Make a version of what has come; what comes from now on belongs to the next. Raises OSError."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)
            if self.has_open:
                os.rename(self.folder / OPEN, self.folder / _version(self.closed + 1))
                self.has_open = False
                self.closed += 1
                self.instances = self.bytes = 0
                self._in_open.clear()
                fsync_folder(self.folder)
        reached("series closed")

    def files(self) -> list[Path]:
        """The instances of all closed versions, the newer where two have one UID."""
        found: dict[str, list[Path]] = {}
        for number in range(1, self.closed + 1):
            place = self.folder / _version(number)
            for name, names in _by_instance(place).items():
                found[name] = [place / one for one in names]
        return [path for name in sorted(found) for path in found[name]]

    @property
    def has_all(self) -> bool:
        """Whether the images of every version are here; expiry removes those that became jobs."""
        return all((self.folder / _version(number)).is_dir() for number in range(1, self.closed + 1))

    @property
    def has_last(self) -> bool:
        """Whether the images of the last finished version are here."""
        return (self.folder / _version(self.note.done)).is_dir()

    def finish(self, jobs: list[str]) -> None:
        """The closed versions need nothing more. Raises OSError."""
        note = replace(self.note, done=self.closed, jobs=tuple(jobs) or self.note.jobs)
        _write(self.folder, note)
        self.note = note
        self.problem = ""

    def forget_images(self) -> None:
        """Remove the instances of all versions; what comes later is a version of its own.

        Each loses its name first, the newest before the others: half of one never counts as all of it.
        """
        for name in sorted(_names(self.folder), reverse=True):
            if _VERSION.fullmatch(name):
                os.rename(self.folder / name, self.folder / f"{_GONE}{name}")
        for name in _names(self.folder):
            if name.startswith(_GONE):
                remove_tree(self.folder / name)


def _write(folder: Path, note: Note) -> None:
    write_json(folder / NOTE, {"origin": asdict(note.origin), "done": note.done, "jobs": list(note.jobs)})


def _version(number: int) -> str:
    return f"v{number:04d}"


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _by_instance(folder: Path) -> dict[str, tuple[str, ...]]:
    """Names in ``folder`` by the hash of their UID."""
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(_names(folder)):
        found[name[:_HASH]] = (*found.get(name[:_HASH], ()), name)
    return found

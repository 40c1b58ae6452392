"""What was received, by series, until it has become jobs and for a while after. The disk alone decides
what counts, so a crash at any moment loses nothing that was answered with success::

    state/dicom-received/parts/...             an instance on its way, worth nothing
                         series/KEY/series.json  who sent it, study and series, what became of it
                         series/KEY/open/        instances, named by a hash of their UID and their size
                         series/KEY/v0001/       the same once the series was complete
                         h-KEY-0001/             links to them, in the hands of intake/received/handover.py

A series is one series under one called title. What comes after a version was closed makes the next one,
of all instances together, in which the newer of two with one UID counts.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...core.file_systems import syncs_names
from ...core.files import fsync_folder, remove_tree
from .instance_file import InstanceFile
from .series_folder import NOTE, Origin, SeriesFolder

log = logging.getLogger(__name__)

FOLDER = "dicom-received"
_SYNCS_AT_ONCE = 16


class Spool:
    """All series below ``root``. Its methods may be called from any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._parts = root / "parts"
        self._series = root / "series"
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._live: dict[str, SeriesFolder] = {}
        self._threads: ThreadPoolExecutor | None = None

    def recover(self) -> None:
        """Take up what an earlier process has left; instances that it never answered go. Raises OSError."""
        remove_tree(self._parts)
        for folder in (self.root, self._parts, self._series):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.root, self.root.parent):
            fsync_folder(folder)
        if not syncs_names(self.root):
            self._threads = ThreadPoolExecutor(_SYNCS_AT_ONCE, "sync")
        for series in self.all():
            if series.has_open or series.pending:
                series.recover()
                self._live[series.key] = series

    def new_part(self) -> Path:
        """Where an instance may be written."""
        return self._parts / f"{os.getpid()}-{next(self._numbers)}"

    def keep(self, file: InstanceFile, origin: Origin, association: int) -> bool:
        """Make a finished file count; it is durable afterwards. False where it was known. Raises OSError."""
        series = self._enter(origin)
        try:
            return series.add(file, association, self._threads)
        finally:
            series.leave()

    def ended(self, association: int, released: bool) -> None:
        """Nothing more comes by it; one that was not released broke off, so its sender may come again."""
        with self._lock:
            for series in self._live.values():
                if association in series.associations:
                    series.associations.discard(association)
                    series.broken_off = not released

    def live(self) -> list[SeriesFolder]:
        """Series that are coming or wait to be handed over."""
        with self._lock:
            return list(self._live.values())

    def rest(self, series: SeriesFolder) -> None:
        """Forget a series of which nothing waits; its folder stays."""
        with self._lock:
            if series.is_at_rest:
                self._live.pop(series.key, None)

    def all(self) -> list[SeriesFolder]:
        """Every series whose folder is there, the live ones as they are."""
        found = []
        for folder in sorted(self._series.iterdir()):
            with self._lock:
                series = self._live.get(folder.name) or SeriesFolder.read(folder)
            if series is not None:
                found.append(series)
        return found

    def expire(self, keep_seconds: float) -> None:
        """Remove the images of series that became jobs so long ago; their notes stay for a further month."""
        for folder in list(self._series.iterdir()):
            with self._lock:
                if folder.name not in self._live:
                    _expire(folder, keep_seconds)

    def _enter(self, origin: Origin) -> SeriesFolder:
        key = key_of(origin)
        with self._lock:
            series = self._live.get(key)
            if series is None:
                folder = self._series / key
                series = SeriesFolder.read(folder) or SeriesFolder.make(folder, origin)
                self._live[key] = series
            series.enter(origin)
            return series


def key_of(origin: Origin) -> str:
    """The name of a series' folder: UIDs may hold anything."""
    return hashlib.sha256(f"{origin.called}\0{origin.series}".encode()).hexdigest()[:32]


_NOTE_SECONDS = 30 * 86400.0


def _expire(folder: Path, keep_seconds: float) -> None:
    try:
        note = folder / NOTE
        age = time.time() - (note if note.exists() else folder).stat().st_mtime
        if age <= keep_seconds:
            return
        series = SeriesFolder.read(folder)
        if series is None or (series.is_at_rest and age > keep_seconds + _NOTE_SECONDS):
            remove_tree(folder)
        elif series.is_at_rest:
            series.forget_images()
    except OSError as error:
        log.warning("%s stays: %s", folder, error)

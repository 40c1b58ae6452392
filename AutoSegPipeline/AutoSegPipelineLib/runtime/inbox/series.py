"""DICOM instances gathered into series, and when a series has settled. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Callable

from ...core.messages.examined_files import ExaminedFile


@dataclass
class Series:
    """One series on its way: its rows of the examination by path, in the order in which they came."""

    uid: str
    last_change: float
    rows: dict[str, ExaminedFile] = field(default_factory=dict)
    folders: Counter[str] = field(default_factory=Counter)


class SeriesBook:
    """All series of one inbox, by series instance UID whatever their folders."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._of: dict[str, str] = {}

    def add(self, uid: str, path: str, folder: str, row: ExaminedFile, now: float) -> None:
        """``path`` is a whole instance of ``uid``."""
        series = self._series.setdefault(uid, Series(uid, now))
        series.rows[path] = row
        series.folders[folder] += 1
        series.last_change = now
        self._of[path] = uid

    def remove(self, path: str, folder: str, now: float) -> None:
        """``path`` changed or is gone; unknown ones are fine."""
        uid = self._of.pop(path, None)
        if uid is None:
            return
        series = self._series[uid]
        del series.rows[path]
        series.folders[folder] -= 1
        if not series.folders[folder]:
            del series.folders[folder]
        series.last_change = now
        if not series.rows:
            del self._series[uid]

    def take_due(self, now: float, settle: float, busy: Callable[[str], bool]) -> list[Series]:
        """Series of which nothing came for ``settle`` seconds and in whose folders nothing arrives."""
        due = [
            series
            for series in self._series.values()
            if now - series.last_change >= settle and not any(busy(folder) for folder in series.folders)
        ]
        for series in due:
            del self._series[series.uid]
            for path in series.rows:
                del self._of[path]
        return due

    def next_due(self, now: float, settle: float) -> float:
        """When the next one may settle; one that could have by now waits for something else."""
        times = (series.last_change + settle for series in self._series.values())
        return min((time for time in times if time > now), default=float("inf"))

    def __len__(self) -> int:
        return len(self._series)

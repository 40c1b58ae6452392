"""When a file of the inbox is complete with what belongs to it: data, options, channels of its scan. Pure."""

from __future__ import annotations

import os
from typing import Callable

from ...core.messages.examined_files import ExaminedFile
from ...core.own_models import channel_of
from .entries import READY, Arrival, ArrivedFile, Entries, Entry, arrived


class CompleteFiles:
    """``channels(path)`` says how many images the scan has to which ``path`` (``NAME_0001.nii``) belongs."""

    def __init__(
        self, entries: Entries, settle: float, patience: float, channels: Callable[[str], int]
    ) -> None:
        """``settle`` and ``patience`` (for channels that do not come) in seconds of a monotonic clock."""
        self._entries = entries
        self._settle = settle
        self._patience = patience
        self._channels = channels

    def arrival(self, entry: Entry, now: float) -> Arrival | float:
        """The input that begins with ``entry``, or the monotonic time at which to look again."""
        scan = self._scan(entry, now)
        if not isinstance(scan, list):
            return scan
        files: list[ArrivedFile] = []
        options: list[str] = []
        for one in scan:
            files.append(arrived(one))
            beside = self._entries.options_of(one)
            options += [beside] if beside else []
            for path in [*(one.row.companions if one.row else ()), *([beside] if beside else ())]:
                found = self._entries.at_rest(path, now, self._settle)
                if not isinstance(found, ArrivedFile):
                    return found
                if path != beside:
                    files.append(found)
        row = entry.row or ExaminedFile(entry.path)
        return Arrival(
            "file",
            tuple(files),
            row.format,
            label=_label(entry) if len(scan) > 1 else entry.relative,
            options_file=options[0] if options else None,
            examined=tuple(one.row for one in scan if one.row),
            top=entry.top,
            channels=len(scan),
        )

    def _scan(self, entry: Entry, now: float) -> list[Entry] | float:
        """``entry`` alone, or every channel of its scan in their order; or when to look again."""
        name = channel_of(os.path.basename(entry.path))
        count = self._channels(entry.path) if name is not None else 1
        if name is None or count < 2 or name[1] >= count:
            return [entry]
        stem, number, ending = name
        found: list[Entry] = []
        for channel in range(count):
            path = os.path.join(entry.folder, f"{stem}_{channel:04d}{ending}")
            other = entry if channel == number else self._entries.find(path)
            # READY is complete; the one that is last finds all others so.
            if other is not None and (other is entry or other.phase == READY):
                found.append(other)
        if len(found) == count:
            return found
        if now - entry.since < self._patience:
            return now + self._settle
        return found  # the inspection names what is missing


def _label(entry: Entry) -> str:
    name = channel_of(entry.relative.replace(os.sep, "/"))
    return entry.relative if name is None else name[0] + name[2]

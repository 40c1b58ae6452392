"""Where the names of a label map's labels come from, looked up among the files that came with it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable

from ..core.errors import PipelineError
from ..core.table_files import MOST_ABOVE, FolderNames, table_files
from ..formats.label_tables import read_table
from ..formats.nifti_labels import read_label_table
from ..formats.volume_file import NIFTI, VolumeFile
from .inspection_state import InputFile


@dataclass
class FoundTables:
    """Tables of names among an input's files, for any label map of it."""

    claimed: set[str] = field(default_factory=set)  # paths of files that may be a table of a label map
    _files: dict[str, InputFile] = field(default_factory=dict)
    _folders: dict[str, FolderNames] = field(default_factory=dict)
    _holds_labels: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def among(cls, found: Iterable[InputFile]) -> FoundTables:
        """The tables among ``found``."""
        tables = cls()
        names: dict[str, list[str]] = {}
        for item in found:
            tables._files.setdefault(item.label, item)
            folder, _, name = item.label.rpartition("/")
            names.setdefault(folder, []).append(name)
        tables._folders = {folder: FolderNames(here) for folder, here in names.items()}
        return tables

    def of(self, item: InputFile) -> InputFile | None:
        """The table for the label map ``item``, or None."""
        folders = _upwards(item.label.rpartition("/")[0])
        known = [self._folders.get(folder, FolderNames(())) for folder in folders]
        chosen: InputFile | None = None
        for one in table_files(item.label, known):
            folder = folders[one.above]
            table = self._files[f"{folder}/{one.name}" if folder else one.name]
            self.claimed.add(table.path)
            if chosen is None and table.path != item.path and (one.own or self._is_table(table)):
                chosen = table
        return chosen

    def beside_names(self, label: str) -> InputFile | None:
        """A table for the file ``label``, which names its own labels; None where none can be read as one."""
        folders = _upwards(label.rpartition("/")[0])
        for one in table_files(label, [self._folders.get(folder, FolderNames(())) for folder in folders]):
            folder = folders[one.above]
            table = self._files[f"{folder}/{one.name}" if folder else one.name]
            if self._is_table(table):
                self.claimed.add(table.path)
                return table
        return None

    def check(self, table: InputFile) -> None:
        """Raises ``export.bad_table`` where a table that is called as its label map cannot be read."""
        if table.path not in self._holds_labels:
            read_table(Path(table.path), os.path.basename(table.label))

    def _is_table(self, table: InputFile) -> bool:
        """Whether a file that may be about something else names labels."""
        if table.path not in self._holds_labels:
            try:
                self._holds_labels[table.path] = bool(read_table(Path(table.path)))
            except PipelineError:
                self._holds_labels[table.path] = False
        return self._holds_labels[table.path]


def _upwards(folder: str) -> list[str]:
    """``a/b`` -> ``a/b``, ``a``, and the folder in which ``a`` lies."""
    found = [folder]
    while found[-1] and len(found) <= MOST_ABOVE:
        found.append(found[-1].rpartition("/")[0])
    return found


def has_own_names(volume: VolumeFile) -> bool:
    """Whether the file itself names its labels: segments of a NRRD, a label table in a NIfTI header.

    Raises ``export.bad_table`` for a label table that is damaged.
    """
    if volume.header.format == NIFTI:
        return bool(read_label_table(Path(volume.path), volume.name))
    return "Segment0_ID" in volume.header.values

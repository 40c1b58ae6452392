"""What cannot be taken, gathered by what was dropped, so that one folder of the inbox has one answer.

A folder of the inbox's top level is one thing that was dropped, and so are DICOM files beside each
other at the top. Its answer comes when nothing in it is arriving. Pure.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Callable

from ...core.errors import PipelineError, Refused
from ...core.input_names import is_index, is_scan_name
from ...intake.passed_by import index_alone, nothing_inside
from ...intake.shared_reasons import shared_label, shared_message
from .entries import Entry


@dataclass
class Gathered:
    """One file (with its data files) that is no input: ``relative`` to the inbox, and why."""

    paths: list[str]
    relative: str
    error: PipelineError


@dataclass(frozen=True)
class RefusedFiles:
    """Files that are refused together; ``label`` is empty where they are one file with its data."""

    paths: list[str]
    error: PipelineError
    label: str = ""


@dataclass
class FolderAnswer:
    """What is known of one dropped folder: ``refused`` by path, and files that are ``no_scan``."""

    last_change: float
    refused: dict[str, Gathered] = field(default_factory=dict)
    no_scan: dict[str, Gathered] = field(default_factory=dict)

    def refusals(self, called: str) -> list[RefusedFiles]:
        """One for each reason."""
        alike: dict[str, list[Gathered]] = {}
        for one in self.refused.values():
            alike.setdefault(one.error.code, []).append(one)
        return [_shared(called, rows) for rows in alike.values()]

    def nothing_inside(self, called: str) -> RefusedFiles:
        """The refusal of a folder in which nothing is a scan."""
        rows = list(self.no_scan.values())
        if len(rows) == 1:
            return RefusedFiles(rows[0].paths, rows[0].error)
        paths = [path for one in rows for path in one.paths]
        if all(is_index(os.path.basename(one.relative)) for one in rows):
            return RefusedFiles(paths, index_alone(), called)
        return RefusedFiles(paths, nothing_inside(called, [one.relative for one in rows]), called)


def _shared(called: str, rows: list[Gathered]) -> RefusedFiles:
    first = rows[0]
    if len(rows) == 1:
        return RefusedFiles(first.paths, first.error)
    labels = [one.relative for one in rows]
    message = shared_message(first.error.message, labels, len(rows))
    error = Refused(first.error.code, message, first.error.hint)
    paths = [path for one in rows for path in one.paths]
    return RefusedFiles(paths, error, shared_label(called, labels, len(rows)))


class FolderAnswers:
    """All folders that owe an answer, by their names below the inbox; the top level itself is empty."""

    def __init__(self) -> None:
        self._folders: dict[str, FolderAnswer] = {}
        self._of: dict[str, str] = {}
        self._with_scan: set[str] = set()
        self._unnoted: dict[str, list[str]] = {}

    @staticmethod
    def gathers(entry: Entry) -> bool:
        """Whether the answer about ``entry`` waits for others; a file at the top level has its own."""
        return bool(entry.top) or entry.format == "dicom" or is_index(os.path.basename(entry.path))

    def add(self, entry: Entry, paths: list[str], error: PipelineError, now: float) -> None:
        """``entry`` (with its data files: ``paths``) cannot be taken, for ``error``."""
        name = os.path.basename(entry.path)
        index = is_index(name)
        one = Gathered(paths, entry.relative, index_alone() if index else error)
        found = self._folders.setdefault(entry.top, FolderAnswer(now))
        found.last_change = now
        self._of[entry.path] = entry.top
        if index or (entry.format in ("unknown", "zip") and not is_scan_name(name)):
            found.no_scan[entry.path] = one
            self._unnoted.setdefault(entry.top, []).append(entry.relative)
        else:
            found.refused[entry.path] = one

    def remove(self, path: str, now: float) -> None:
        """``path`` changed or is gone; unknown ones are fine."""
        folder = self._of.pop(path, None)
        if folder is None:
            return
        found = self._folders[folder]
        found.last_change = now
        gone = found.no_scan.pop(path, None)
        if gone is not None and gone.relative in self._unnoted.get(folder, []):
            self._unnoted[folder].remove(gone.relative)
        found.refused.pop(path, None)
        if not found.refused and not found.no_scan:
            del self._folders[folder]

    def scan_in(self, folder: str) -> None:
        """An input came from ``folder``: what is no scan there is passed by."""
        self._with_scan.update((folder, ""))

    def has_scan(self, folder: str) -> bool:
        """Whether an input came from ``folder``."""
        return folder in self._with_scan

    def take_notes(self, folder: str, format: str) -> tuple[str, ...]:
        """Names of files in ``folder`` that are no scan and that no case has listed yet.

        An archive may hold no scan itself; then the next input lists them, too.
        """
        found = tuple(self._unnoted.get(folder, ()))
        if format != "zip":
            self._unnoted.pop(folder, None)
        return found

    def take_due(self, now: float, settle: float, busy: Callable[[str], bool]) -> dict[str, FolderAnswer]:
        """Folders of which nothing came for ``settle`` seconds and in which nothing arrives."""
        due = {
            name: found
            for name, found in self._folders.items()
            if now - found.last_change >= settle and not busy(name)
        }
        for name, found in due.items():
            del self._folders[name]
            for path in (*found.refused, *found.no_scan):
                del self._of[path]
        return due

    def next_due(self, now: float, settle: float) -> float:
        """When the next one may be due; one that could have been by now waits for something else."""
        times = (found.last_change + settle for found in self._folders.values())
        return min((time for time in times if time > now), default=float("inf"))

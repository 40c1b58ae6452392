"""What `autoseg run FOLDER -o OUT` has done so far: lines of JSON in OUT, one for each beginning and end.

A scan is known by hashes of its path below the folder and of its bytes, so that a later run tells done,
changed and new apart. A line is appended and synced when a scan begins and when its last case has ended;
a line that a crash cut off is passed over. The file is plain text and may lie on a network share.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Iterable, Iterator

from .. import states
from ..errors import PipelineError

NAME = ".autoseg-run.jsonl"
LOCK = ".autoseg-run.lock"
BEGUN = "begun"


@dataclass(frozen=True)
class Entry:
    """One line. ``state`` is begun, done, refused, failed or cancelled.

    ``unit`` is a hash of the path of a scan (a file, or the first folder of a DICOM study) with the cohort's
    folder in front; the path itself may name the patient. ``stat`` changes with the size or time of any of
    its files, ``content`` with their bytes (empty: not known), ``size`` is bytes of all together,
    ``newest_ns`` the latest time among them. ``asked`` changes with the options. ``at_ns`` is when it began,
    by our clock; ``single``: one file that holds one scan; ``names`` are the cases in OUT.
    """

    unit: str
    state: str
    job: str
    stat: str
    asked: str
    size: int = 0
    newest_ns: int = 0
    at_ns: int = 0
    content: str = ""
    version: str = ""
    single: bool = False
    names: list[str] = field(default_factory=list)


@dataclass
class Record:
    """The latest line of each unit, and what older lines say of results that are not the latest any more."""

    units: dict[str, Entry] = field(default_factory=dict)  # the last end
    begun: dict[str, Entry] = field(default_factory=dict)  # without an end
    left: set[str] = field(default_factory=set)  # cases that a later result replaces

    def add(self, entry: Entry) -> None:
        """Take in one more line."""
        if entry.state == BEGUN:
            self.begun[entry.unit] = entry
            return
        self.begun.pop(entry.unit, None)
        before = self.units.get(entry.unit)
        if entry.state == states.DONE:
            self.left -= set(entry.names)
            self.left |= set(before.names if before else ()) - set(entry.names)
        else:  # what it left behind is no result; that of an earlier end stays
            kept = before.names if before is not None else []
            self.left |= set(entry.names) - set(kept)
            entry = replace(entry, names=kept)
        self.units[entry.unit] = entry


def read_record(out: Path) -> Record:
    """What stands in ``out``; empty where nothing does. Raises ``environment.results_unreachable``."""
    record = Record()
    for entry in _entries(out):
        record.add(entry)
    return record


def superseded(out: Path) -> set[str]:
    """Names of the cases in ``out`` whose scan has changed since: a later case has its results."""
    return read_record(out).left


class RecordWriter:
    """Appends lines to the record in ``out``."""

    def __init__(self, out: Path) -> None:
        self._path = out / NAME
        self._stream = open(self._path, "ab")  # noqa: SIM115 - closed by close()
        if self._stream.tell() and not _ends_with_line(self._path):
            self._stream.write(b"\n")  # what a crash cut off is a line of its own

    def write(self, entry: Entry, durable: bool = True) -> None:
        """Append; not ``durable``: what a power cut may take."""
        self._stream.write(json.dumps(asdict(entry)).encode("ascii") + b"\n")
        self._stream.flush()
        if durable:
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        self._stream.close()


def content_of(hashes: Iterable[str]) -> str:
    """One hash for the bytes of several files, whatever they are called."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode("ascii")).hexdigest()


def _entries(out: Path) -> Iterator[Entry]:
    known = {one.name for one in fields(Entry)}
    try:
        with open(out / NAME, "rb") as stream:
            for line in stream:
                try:
                    found = json.loads(line)
                    yield Entry(**{key: value for key, value in found.items() if key in known})
                except (ValueError, TypeError, AttributeError):
                    continue  # cut off by a crash
    except FileNotFoundError:
        return
    except OSError as error:
        raise PipelineError(
            "environment.results_unreachable", f"{out / NAME} cannot be read: {error.strerror}"
        ) from error


def _ends_with_line(path: Path) -> bool:
    with open(path, "rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"

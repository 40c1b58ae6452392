"""Which files of one upload belong together: DICOM slices, a header and its data, a dropped folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ...core.incoming import ending_of

_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
_HEADER_ENDINGS = (".nhdr", ".mhd")
_DATA = re.compile(rb"^\s*(?:data ?file|elementdatafile)\s*[:=]\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass
class Received:
    """A file as it lies on the disk, and what the client called it."""

    path: Path
    label: str
    size: int = 0


@dataclass
class Group:
    """What becomes one job: the files with their staged names."""

    label: str
    container: bool = False  # may hold several scans
    files: list[tuple[Received, str]] = field(default_factory=list)


def grouped(files: list[Received]) -> list[Group]:
    """Each dropped folder is one group, and so are loose DICOM files; a data file goes with its header."""
    folders: dict[str, Group] = {}
    slices: list[Received] = []
    others: list[Received] = []
    for received in files:
        top, slash, _ = received.label.partition("/")
        if slash:
            group = folders.setdefault(top, Group(top, container=True))
            group.files.append((received, received.path.name))
        elif _is_dicom(received):
            slices.append(received)
        else:
            others.append(received)
    found = list(folders.values())
    if slices:
        label = slices[0].label if len(slices) == 1 else f"{slices[0].label} and {len(slices) - 1} more"
        found.append(Group(label, len(slices) > 1, [(one, one.path.name) for one in slices]))
    return found + _with_their_data(others)


def _is_dicom(received: Received) -> bool:
    ending = ending_of(received.label)
    if ending in _DICOM_ENDINGS:
        return True
    if ending:
        return False
    with open(received.path, "rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _with_their_data(files: list[Received]) -> list[Group]:
    """A header and its data file keep their names: the header says the other's."""
    by_label = {received.label: received for received in files}
    data: dict[str, list[Received]] = {}
    taken: set[str] = set()
    for header in files:
        named = _data_file(header)
        if named in by_label and named != header.label:
            data[header.label] = [by_label[named]]
            taken.add(named)
    found = []
    for received in files:
        if received.label in taken:
            continue
        group = Group(received.label, container=ending_of(received.label) == ".zip")
        beside = data.get(received.label, [])
        group.files.append((received, received.label if beside else received.path.name))
        group.files += [(one, one.label) for one in beside]
        found.append(group)
    return found


def _data_file(header: Received) -> str:
    if ending_of(header.label) not in _HEADER_ENDINGS:
        return ""
    with open(header.path, "rb") as stream:
        found = _DATA.search(stream.read(65536))
    return found.group(1).decode("utf-8", "replace") if found else ""

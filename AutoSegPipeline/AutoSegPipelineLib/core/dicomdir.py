"""The files that the index of a DICOM disc lists, found by the index alone (PS3.10, chapter 8)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Iterator

from .files import is_link

MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10"
MOST_BYTES = 64 << 20
_FILE_ID = b"\x04\x00\x00\x15"  # (0004,1500), the path of a file below the index


def is_dicomdir(path: Path) -> bool:
    """Whether the file at ``path`` is such an index; its name does not matter."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(1024)
    except OSError:
        return False
    return head[128:132] == b"DICM" and MEDIA_DIRECTORY in head


def listed_files(path: Path) -> list[tuple[Path, str]]:
    """(file, name below the index's folder, with slashes) of what the index at ``path`` lists and is there.

    Names are compared as discs do: in any case, without a version (``;1``). Links are not followed.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES)
    except OSError:
        return []
    folders: dict[Path, dict[str, Path]] = {}
    found: dict[Path, str] = {}
    for parts in _file_ids(data):
        place = path.parent
        for part in parts:
            if place not in folders:
                folders[place] = _entries(place)
            below = folders[place].get(_called(part))
            if below is None:
                break
            place = below
        else:
            if place.is_file() and place != path:
                found.setdefault(place, place.relative_to(path.parent).as_posix())
    return list(found.items())


def _entries(folder: Path) -> dict[str, Path]:
    try:
        return {_called(entry.name): entry for entry in sorted(folder.iterdir()) if not is_link(entry)}
    except OSError:
        return {}


def _called(name: str) -> str:
    return name.split(";")[0].rstrip(" .\0").casefold()


def _file_ids(data: bytes) -> Iterator[list[str]]:
    """The components of each file id, explicit or implicit in its value representation."""
    place = data.find(_FILE_ID)
    while place >= 0:
        start, size = place + 8, 0
        if data[place + 4 : place + 6] == b"CS":
            (size,) = struct.unpack_from("<H", data.ljust(start, b"\0"), place + 6)
        elif len(data) >= start:
            (size,) = struct.unpack_from("<I", data, place + 4)
        value = data[start : start + size] if size <= 1024 else b""
        parts = [part.strip(" \0") for part in value.decode("latin-1").split("\\")]
        if parts and all(parts) and not any(part in (".", "..") or "/" in part for part in parts):
            yield parts
        place = data.find(_FILE_ID, place + 4)

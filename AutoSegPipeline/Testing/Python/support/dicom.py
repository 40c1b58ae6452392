"""Changes to DICOM files of the tests, such as anonymisers, vendors and broken copies make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterable

import numpy as np
import pydicom

UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")


def edit(path: Path, **tags: Any) -> None:
    """Set elements as they are given, the file's meta information left alone; ``...`` removes one."""
    data = pydicom.dcmread(path)
    for keyword, value in tags.items():
        if value is not ...:
            setattr(data, keyword, value)
        elif keyword in data:
            delattr(data, keyword)
    data.save_as(path)


def edit_all(paths: Iterable[Path], **tags: Any) -> None:
    """:func:`edit` of each; a function is called with its number."""
    for number, path in enumerate(paths):
        edit(path, **{key: value(number) if callable(value) else value for key, value in tags.items()})


def edit_bytes(path: Path, change: Callable[[bytes], bytes]) -> None:
    """What no writer would write."""
    path.write_bytes(change(path.read_bytes()))


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """For :func:`edit_bytes`: each ``old``, which must be there, by a ``new`` of the same length."""
    assert len(old) == len(new)

    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new)

    return change


def brighter(path: Path, by: int = 40) -> None:
    """Other pixels."""
    data = pydicom.dcmread(path)
    edit(path, PixelData=(np.frombuffer(data.PixelData, dtype="<u2") + by).tobytes())


def warned(case: dict[str, Any]) -> list[str]:
    """Codes of a case's warnings, each with a message."""
    assert all(warning["message"] for warning in case["warnings"])
    return [warning["code"] for warning in case["warnings"]]

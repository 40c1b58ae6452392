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


def write_as(path: Path, syntax: str) -> None:
    """The same instance in another transfer syntax (pydicom's name), in the words of pydicom 2.4 and of 3."""
    data = pydicom.dcmread(path)
    uid = getattr(pydicom.uid, syntax)
    if uid == pydicom.uid.RLELossless:
        data.compress(uid)
        data.save_as(path)
        return
    if not uid.is_little_endian:
        data.PixelData = np.frombuffer(data.PixelData, dtype="<u2").astype(">u2").tobytes()
    fresh = pydicom.Dataset()
    for element in data:
        fresh[element.tag] = element
    fresh.file_meta, fresh.preamble = data.file_meta, data.preamble
    fresh.file_meta.TransferSyntaxUID = uid
    if int(pydicom.__version__.split(".")[0]) >= 3:
        pydicom.dcmwrite(path, fresh, implicit_vr=uid.is_implicit_VR, little_endian=uid.is_little_endian)
        return
    fresh.is_implicit_VR, fresh.is_little_endian = uid.is_implicit_VR, uid.is_little_endian
    pydicom.dcmwrite(path, fresh)


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

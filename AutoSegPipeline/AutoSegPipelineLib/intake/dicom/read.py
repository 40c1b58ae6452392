"""Reading DICOM headers with pydicom (2.4 and 3), and whether a file's pixels are all there."""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, BinaryIO, Sequence

from ...core.errors import Refused
from ...core.safe_open import open_input
from ...formats.header import corrupt
from ..sniff import DICOMDIR_CLASS
from .instance import Instance, Orientation, Vector

if TYPE_CHECKING:
    from pydicom import Dataset

HEADER_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "PatientID",
    "IssuerOfPatientID", "PatientName", "PatientBirthDate", "SeriesNumber", "InstanceNumber",
    "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated",
)  # fmt: skip
GEOMETRY_TAGS = (
    "ImageType", "SeriesDescription", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "AcquisitionNumber", "EchoNumbers", "EchoTime", "TemporalPositionIdentifier", "TriggerTime",
    "BodyPartExamined", "GantryDetectorTilt", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
PIXELS = ((0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009))
_STORAGE = "1.2.840.10008.5.1.4.1.1."
# Waveforms, presentation states, raw data, registrations, reports, documents, radiotherapy (PS3.4 B.5).
WITHOUT_PIXELS = (
    DICOMDIR_CLASS, "1.2.840.10008.5.1.4.34.",
    *(_STORAGE + tail for tail in ("9.", "11.", "66", "67", "68.", "78.", "79.", "80.")),
    *(_STORAGE + tail for tail in ("88.", "104.", "481.")),
)  # fmt: skip
# What pydicom raises for a data set that is none; it has no base class of its own.
_BROKEN = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, NotImplementedError,
    OverflowError, struct.error, RecursionError, LookupError,
)  # fmt: skip
logging.getLogger("pydicom").setLevel(logging.ERROR)


def examine_dicom(path: str) -> dict[str, object]:
    """The examination's row; raises ``input.truncated``, ``input.corrupt``, ``input.claims_too_much``."""
    return read_instance(path, "", os.path.basename(path), geometry=False).to_row()


def read_instance(path: str, relative: str, label: str, geometry: bool = True) -> Instance:
    """Header of one file, its pixels counted and not read.

    Raises :class:`Refused`: ``input.corrupt``, ``input.truncated`` and
    ``input.claims_too_much``, as the file lacks an end or its header lies.
    """
    import pydicom

    name = os.path.basename(label)
    wrong_length: type[Exception] = getattr(pydicom.errors, "BytesLengthException", ValueError)
    tags: list[str] = list(HEADER_TAGS + (GEOMETRY_TAGS if geometry else ()))
    with open_input(path, name=name) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        size = os.fstat(stream.fileno()).st_size
        try:
            data = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=tags)
            syntax = str(getattr(data.file_meta, "TransferSyntaxUID", ""))
            instance = _basics(data, path, relative, label)
            instance.syntax = syntax
            if geometry and instance.rows:
                _geometry(data, instance)
        except zlib.error:
            raise Refused("input.truncated", f"{name} ends within its compressed data set.") from None
        except (pydicom.errors.InvalidDicomError, wrong_length, *_BROKEN) as error:
            if stream.tell() >= size:
                raise Refused("input.truncated", f"{name} ends within its header.") from None
            raise corrupt(name, f"its header cannot be read, {type(error).__name__}: {error}") from None
        if not syntax.endswith("1.2.1.99"):  # a deflated data set was decompressed completely
            instance.image = _pixels(stream, size, data, instance, name)
        elif instance.rows:
            instance.image = True
    if not instance.sop_uid and not instance.series_uid and instance.sop_class != DICOMDIR_CLASS:
        raise corrupt(name, "it names neither a series nor an instance")
    return instance


def _text(data: Dataset, keyword: str) -> str:
    value = data.get(keyword)
    return "" if value is None else str(value).strip()


def _integer(data: Dataset, keyword: str, default: int | None) -> int | None:
    value = data.get(keyword)
    if value is None or str(value).strip() == "":
        return default
    return int(float(str(value)))


def _basics(data: Dataset, path: str, relative: str, label: str) -> Instance:
    meta = data.file_meta
    instance = Instance(path, relative, label)
    instance.series_uid, instance.study_uid = (
        _text(data, "SeriesInstanceUID"),
        _text(data, "StudyInstanceUID"),
    )
    instance.sop_uid = _text(data, "SOPInstanceUID")
    instance.sop_class = _text(data, "SOPClassUID") or str(getattr(meta, "MediaStorageSOPClassUID", ""))
    instance.modality = _text(data, "Modality").upper()
    instance.number = _integer(data, "SeriesNumber", None)
    instance.instance = _integer(data, "InstanceNumber", None)
    instance.rows, instance.columns = _integer(data, "Rows", 0) or 0, _integer(data, "Columns", 0) or 0
    instance.frames = max(1, _integer(data, "NumberOfFrames", 1) or 1)
    instance.samples = _integer(data, "SamplesPerPixel", 1) or 1
    # Names are spelled in many ways; they only count where there is no identifier.
    who = [_text(data, "PatientID"), _text(data, "IssuerOfPatientID")]
    if not who[0]:
        who = ["", _text(data, "PatientName").strip("^").casefold(), _text(data, "PatientBirthDate")]
    instance.patient_key = hashlib.sha256("\0".join(who).encode("utf-8", "replace")).hexdigest()[:16]
    return instance


def _floats(value: Sequence[float] | str | None, count: int) -> tuple[float, ...] | None:
    if value is None or isinstance(value, str) or not hasattr(value, "__len__") or len(value) != count:
        return None
    return tuple(float(part) for part in value)


def _geometry(data: Dataset, instance: Instance) -> None:
    instance.image_type = tuple(str(part).upper() for part in (data.get("ImageType") or ()))
    instance.description = _text(data, "SeriesDescription")
    instance.body_part = _text(data, "BodyPartExamined").upper()
    instance.acquisition = _text(data, "AcquisitionNumber")
    instance.echo = _text(data, "EchoNumbers") + "/" + _text(data, "EchoTime")
    instance.moment = _text(data, "TemporalPositionIdentifier") + "/" + _text(data, "TriggerTime")
    instance.tilt = float(data.get("GantryDetectorTilt") or 0.0)
    _place(data, data, data, instance)
    frames = data.get("PerFrameFunctionalGroupsSequence")
    if frames is not None:
        shared = data.get("SharedFunctionalGroupsSequence") or [None]
        for frame in frames:
            _frame(frame, shared[0], instance)
        instance.position = instance.frame_positions[0] if instance.frame_positions else None
        instance.orientation = instance.frame_orientations[0] if instance.frame_orientations else None


def _place(position: Dataset, orientation: Dataset, measures: Dataset, instance: Instance) -> None:
    where, how = (
        _floats(position.get("ImagePositionPatient"), 3),
        _floats(orientation.get("ImageOrientationPatient"), 6),
    )
    apart = _floats(measures.get("PixelSpacing"), 2)
    if where is not None:
        instance.position = _vector(where)
    if how is not None:
        instance.orientation = _orientation(how)
    if apart is not None:
        instance.spacing = (apart[0], apart[1])


def _vector(values: tuple[float, ...]) -> Vector:
    x, y, z = values
    return (x, y, z)


def _orientation(values: tuple[float, ...]) -> Orientation:
    a, b, c, d, e, f = values
    return (a, b, c, d, e, f)


def _group(frame: Dataset, shared: Dataset | None, keyword: str) -> Dataset:
    """A functional group's only item, of the frame or of all frames (PS3.3 C.7.6.16)."""
    from pydicom import Dataset

    for place in (frame, shared):
        items = place.get(keyword) if place is not None else None
        if items:
            found: Dataset = items[0]
            return found
    return Dataset()


def _frame(frame: Dataset, shared: Dataset | None, instance: Instance) -> None:
    where = _floats(_group(frame, shared, "PlanePositionSequence").get("ImagePositionPatient"), 3)
    how = _floats(_group(frame, shared, "PlaneOrientationSequence").get("ImageOrientationPatient"), 6)
    apart = _floats(_group(frame, shared, "PixelMeasuresSequence").get("PixelSpacing"), 2)
    if where is None or how is None:
        return
    instance.frame_positions.append(_vector(where))
    instance.frame_orientations.append(_orientation(how))
    if apart is not None and instance.spacing is None:
        instance.spacing = (apart[0], apart[1])
    content = _group(frame, None, "FrameContentSequence")
    instance.frame_moments.append((int(content.get("TemporalPositionIndex") or 0),))


def _pixels(stream: BinaryIO, size: int, data: Dataset, instance: Instance, name: str) -> bool:
    """Whether there are pixels; the stream stands at their tag, as pydicom leaves it."""
    at = stream.tell()
    stream.seek(at)
    big = not data.is_little_endian if data.is_little_endian is not None else False
    order = ">" if big else "<"
    head = stream.read(12)
    if len(head) < 8 or struct.unpack_from(order + "HH", head) not in PIXELS:
        if instance.rows or at > size or not instance.sop_class.startswith(WITHOUT_PIXELS):
            raise Refused("input.truncated", f"{name} ends before its pixels.")
        return False
    if data.is_implicit_VR:
        (length,) = struct.unpack_from(order + "I", head, 4)
        at += 8
    elif len(head) == 12:
        (length,) = struct.unpack_from(order + "I", head, 8)
        at += 12
    else:
        raise Refused("input.truncated", f"{name} ends before its pixels.")
    if length == 0xFFFFFFFF:
        _walk_fragments(stream, at, size, name)
        return True
    if at + length > size:
        raise Refused("input.truncated", f"{name} holds {size - at} of {length} bytes of pixels.")
    bits = _integer(data, "BitsAllocated", 16) or 16
    needed = instance.rows * instance.columns * instance.frames * instance.samples * bits // 8
    if length < needed:
        raise Refused("input.claims_too_much", f"{name} claims {needed} bytes of pixels and holds {length}.")
    return True


def _walk_fragments(stream: BinaryIO, at: int, size: int, name: str) -> None:
    """Compressed pixels: items up to a delimiter (PS3.5 A.4)."""
    while True:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            raise Refused("input.truncated", f"{name} ends within its compressed pixels.")
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return
        if (group, element) != (0xFFFE, 0xE000):
            raise corrupt(name, "its compressed pixels are broken")
        at += 8 + length
        if at > size:
            raise Refused("input.truncated", f"{name} ends within its compressed pixels.")

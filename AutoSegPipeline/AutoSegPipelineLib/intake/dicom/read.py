"""Reading DICOM headers with pydicom (2.4 and 3), and whether a file's pixels are all there."""

from __future__ import annotations

import logging
import os
import re
import struct
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Iterator

from ...core.errors import Refused
from ...core.messages.examined_files import DicomHeader
from ...core.safe_open import open_input
from ...formats.dicom_seg.errors import damaged
from ...formats.dicom_seg.header import CLASSES as SEGMENTATIONS
from ...formats.header import corrupt
from ..sniff import DICOMDIR_CLASS
from .elements import BadValue, Elements, usable_uid
from .functional_groups import read_frames, to_orientation, to_vector
from .identity import arriving_series
from .instance import Instance
from .modalities import modality_of
from .patients import Patient, without_words, words_of

if TYPE_CHECKING:
    from pydicom import Dataset

HEADER_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "PatientID",
    "IssuerOfPatientID", "PatientName", "PatientBirthDate", "SeriesNumber", "InstanceNumber",
    "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "FrameOfReferenceUID",
)  # fmt: skip
GEOMETRY_TAGS = (
    "ImageType", "SeriesDescription", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "AcquisitionNumber", "EchoNumbers", "EchoTime", "TemporalPositionIdentifier", "TriggerTime",
    "BodyPartExamined", "GantryDetectorTilt", "ConvolutionKernel", "RescaleSlope", "RescaleIntercept",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "ConcatenationUID",
    "SliceThickness", "SpacingBetweenSlices", "SliceLocation", "BurnedInAnnotation",
)  # fmt: skip
PIXELS = ((0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009))
_STORAGE = "1.2.840.10008.5.1.4.1.1."
# Palettes, protocols, waveforms, presentation states, raw data, registrations, reports, documents,
# radiotherapy (PS3.4 B.5).
WITHOUT_PIXELS = (
    DICOMDIR_CLASS, "1.2.840.10008.5.1.4.34.", "1.2.840.10008.5.1.4.38.", "1.2.840.10008.5.1.4.39.",
    *(_STORAGE + tail for tail in ("9.", "11.", "66", "67", "68.", "78.", "79.", "80.")),
    *(_STORAGE + tail for tail in ("88.", "104.", "481.")),
)  # fmt: skip
logging.getLogger("pydicom").setLevel(logging.ERROR)


def examine_dicom(path: str) -> DicomHeader:
    """For the examination; raises ``input.truncated``, ``input.corrupt``, ``input.claims_too_much``."""
    name = os.path.basename(path)
    instance = read_instance(path, "", name, geometry=False)
    if not instance.series_stated:
        instance = read_instance(path, "", name)
        instance.series_uid = arriving_series(instance, os.path.dirname(path))
    return instance.header()


def read_instance(path: str, relative: str, label: str, geometry: bool = True) -> Instance:
    """Header of one file, its pixels counted and not read.

    Raises :class:`Refused`: ``input.corrupt``, ``input.truncated`` and
    ``input.claims_too_much``, as the file lacks an end or its header lies.
    """
    try:
        return _read(path, relative, label, geometry)
    except Refused as refused:
        if refused.code not in ("input.truncated", "input.corrupt"):
            raise
        try:
            with unknown_kinds():
                instance = _read(path, relative, label, geometry)
        except Refused:
            raise refused from None
        instance.unknown_kinds = True
        return instance


@contextmanager
def unknown_kinds() -> Iterator[None]:
    """Let pydicom read "??" or blanks for a value representation as one that it does not know.

    Otherwise it takes them for a change to the implicit form, which other writers make.
    """
    import pydicom

    pydicom.config.assume_implicit_vr_switch = False
    try:
        yield
    finally:
        pydicom.config.assume_implicit_vr_switch = True


def _read(path: str, relative: str, label: str, geometry: bool) -> Instance:
    import pydicom

    name = os.path.basename(label)
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
        except BadValue as error:
            raise corrupt(name, str(error)) from None
        except OSError as error:
            # pydicom's own for a sequence that ends early; the system's have a number.
            if error.errno is not None:
                raise
            raise Refused("input.truncated", f"{name} ends within its header.") from None
        except damaged() as error:
            if stream.tell() >= size:
                raise Refused("input.truncated", f"{name} ends within its header.") from None
            raise corrupt(name, f"its header cannot be read around byte {stream.tell()}") from error
        if not syntax.endswith("1.2.1.99"):  # a deflated data set was decompressed completely
            instance.image = _pixels(stream, size, data, instance, name)
        elif not _inflates(stream, data):
            raise Refused("input.truncated", f"{name} ends within its compressed data set.")
        else:
            instance.image = bool(instance.rows)
    if instance.image and not (instance.rows and instance.columns):
        raise corrupt(name, "its Rows (0028,0010) or Columns (0028,0011) are missing")
    if not (instance.image or instance.sop_class or instance.sop_uid or instance.series_uid):
        raise corrupt(name, "it says neither what it is nor what it belongs to")
    return instance


def _basics(data: Dataset, path: str, relative: str, label: str) -> Instance:
    meta = data.file_meta
    instance = Instance(path, relative, label)
    of = Elements(data, instance.mended, instance.remarks)
    instance.series_uid, instance.study_uid = of.uid("SeriesInstanceUID"), of.uid("StudyInstanceUID")
    instance.frame_of_reference = of.uid("FrameOfReferenceUID")
    stated = of.uid("SOPInstanceUID")
    named = (("instance", stated), ("series", instance.series_uid), ("study", instance.study_uid))
    instance.missing = tuple(kind for kind, uid in named if not uid)
    instance.sop_uid = stated or usable_uid(str(getattr(meta, "MediaStorageSOPInstanceUID", "")))
    instance.sop_class = of.uid("SOPClassUID") or usable_uid(
        str(getattr(meta, "MediaStorageSOPClassUID", ""))
    )
    instance.modality, instance.modality_assumed = modality_of(of.code("Modality"), instance.sop_class)
    series, number = of.spare("SeriesNumber"), of.spare("InstanceNumber")
    instance.number, instance.instance = _whole(series), _whole(number)
    instance.rows, instance.columns = of.integer("Rows", 0), of.integer("Columns", 0)
    instance.frames = max(1, of.integer("NumberOfFrames", 1))
    instance.samples = of.integer("SamplesPerPixel", 1) or 1
    instance.patient = Patient.of(
        of.prose("PatientID"),
        of.prose("IssuerOfPatientID"),
        of.prose("PatientName"),
        of.code("PatientBirthDate"),
    )
    instance.patient_words = words_of(
        of.prose("PatientName"), of.prose("PatientID"), of.code("PatientBirthDate")
    )
    return instance


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _geometry(data: Dataset, instance: Instance) -> None:
    of = Elements(data, instance.mended, instance.remarks)
    instance.image_type = _image_type(of.words("ImageType"))
    instance.description = without_words(of.prose("SeriesDescription"), instance.patient_words)
    instance.burned_in = of.code("BurnedInAnnotation").upper() == "YES"
    instance.body_part = of.code("BodyPartExamined").upper()
    instance.acquisition = of.code("AcquisitionNumber")
    instance.kernel = of.code("ConvolutionKernel")
    instance.echo = of.code("EchoNumbers") + "/" + of.code("EchoTime")
    instance.moment = of.code("TemporalPositionIdentifier") + "/" + of.code("TriggerTime")
    instance.tilt = of.spare("GantryDetectorTilt") or 0.0
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        of.number(keyword)  # the converters apply them; here they only have to be numbers
    where, how = of.numbers("ImagePositionPatient", 3), of.numbers("ImageOrientationPatient", 6)
    apart = of.numbers("PixelSpacing", 2)
    instance.position = None if where is None else to_vector(where)
    instance.orientation = None if how is None else to_orientation(how)
    instance.spacing = None if apart is None else (apart[0], apart[1])
    # The frames of a segmentation are its own reader's; tens of thousands take seconds.
    if instance.sop_class not in SEGMENTATIONS:
        read_frames(data, instance)


def _image_type(words: tuple[str, ...]) -> tuple[str, ...]:
    """In capitals; some writers divide the values by slashes."""
    if words and re.match(r"(?i)(original|derived)\s*/", words[0]):
        words = (*re.split(r"\s*/\s*", words[0]), *words[1:])
    return tuple(word.upper() for word in words)


def _pixels(stream: BinaryIO, size: int, data: Dataset, instance: Instance, name: str) -> bool:
    """Whether there are pixels; the stream stands at their tag, as pydicom leaves it."""
    at = stream.tell()
    stream.seek(at)
    big = not data.is_little_endian if data.is_little_endian is not None else False
    order = ">" if big else "<"
    head = stream.read(12)
    if len(head) < 8 or struct.unpack_from(order + "HH", head) not in PIXELS:
        if instance.rows or at > size or not instance.sop_class.startswith(WITHOUT_PIXELS):
            raise _without_pixels(name, head, at, size)
        return False
    # As pydicom: some writers encode this element in the other way than the data set.
    if not head[4:6].isalpha() or (data.is_implicit_VR and head[4:8] not in (b"OB\0\0", b"OW\0\0")):
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
    try:
        bits = Elements(data, {}, {}).integer("BitsAllocated", 16) or 16
    except BadValue as error:
        raise corrupt(name, str(error)) from None
    needed = instance.rows * instance.columns * instance.frames * instance.samples * bits // 8
    # Colours may be stored at half the resolution; they are refused for what they are.
    if length < needed and instance.samples == 1:
        raise Refused("input.claims_too_much", f"{name} claims {needed} bytes of pixels and holds {length}.")
    return True


def _without_pixels(name: str, head: bytes, at: int, size: int) -> Refused:
    """The refusal of an image whose header is not followed by pixels."""
    if head or at != size:
        return Refused("input.truncated", f"{name} ends before its pixels.")
    # It ends between two elements, which a file cut short does by chance only.
    return Refused(
        "input.truncated",
        f"{name} has no pixels: it was written without them, or it was cut short.",
        "Copy it again from its source; if it has none there either, export it with its pixels.",
    )


def _inflates(stream: BinaryIO, data: Dataset) -> bool:
    """Whether a deflated data set (PS3.5, A.5) has its end; pydicom reads what there is of it."""
    length = data.file_meta.get("FileMetaInformationGroupLength")
    if length is None:
        return True
    stream.seek(132 + 12 + int(length))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof:
        chunk = inflater.unconsumed_tail or stream.read(1 << 16)
        if not chunk:
            return False
        inflater.decompress(chunk, 1 << 20)
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

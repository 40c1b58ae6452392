"""Writes what objects that go back to the PACS are made of: the slices' identities and places, one header."""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import TYPE_CHECKING

from ...core.messages.reader import plain
from ...core.pacs.source_series import FILE, HEADER, SERIES, SourceSeries, SourceSlice
from ...formats.dicom_seg.errors import damaged
from ...formats.dicom_seg.write import write_dicom
from .group import series_name
from .stack import Stack

if TYPE_CHECKING:
    from pydicom import Dataset

# Patient, study, series, frame of reference, request, procedure; nothing private, no acquisition, no pixels.
_GROUPS = (0x0008, 0x0010, 0x0020, 0x0032, 0x0038, 0x0040)
_BURNED_IN = 0x00280301
_LONGEST = 16 * 1024  # bytes or characters of one element


def keep_headers(stack: Stack, folder: str, content: str) -> list[dict[str, str]]:
    """Write the headers of a case into its ``folder``, durably; warnings where that is not possible.

    Nothing is written for a series that lacks UIDs: nothing could refer to it.
    """
    if any(one.missing for one in stack.instances):
        return []
    if len({(one.study_uid, one.series_uid, one.frame_of_reference) for one in stack.instances}) > 1:
        return [_not_kept(stack, "its slices name several studies, series or frames of reference")]
    try:
        header = _header(stack)
    except damaged() as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return [_not_kept(stack, "its headers cannot be written")]
    text = json.dumps(plain(source_series(stack, content)), separators=(",", ":"))
    with open(os.path.join(folder, FILE), "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(SERIES, text)
            archive.writestr(HEADER, header)
        stream.flush()
        os.fsync(stream.fileno())
    return []


def _not_kept(stack: Stack, why: str) -> dict[str, str]:
    text = f"{series_name(stack.first)}: {why}, so nothing can go back to a PACS."
    return {"code": "pacs.no_source_headers", "message": text}


def source_series(stack: Stack, content: str) -> SourceSeries:
    """What ``stack`` is, as plain values."""
    first = stack.first
    slices = [
        SourceSlice(
            one.sop_uid, one.sop_class, one.frame + 1 if one.frame_list else 0,
            list(one.position or place), list(place),
        )
        for one, place in zip(stack.instances, stack.places)
    ]  # fmt: skip
    return SourceSeries(
        content=content, study_uid=first.study_uid, series_uid=first.series_uid, series_number=first.number,
        frame_of_reference=first.frame_of_reference, modality=first.modality,
        rows=first.rows, columns=first.columns, spacing=list(first.spacing or (1.0, 1.0)),
        orientation=list(first.orientation or stack.orientation), straight=list(stack.orientation),
        thickness=first.thickness or stack.step, slices=slices,
    )  # fmt: skip


def _header(stack: Stack) -> bytes:
    """The elements of :data:`_GROUPS` as a DICOM file of its own; text in any slice's pixels counts."""
    import pydicom

    one = stack.first
    data = pydicom.dcmread(one.path, stop_before_pixels=True, force=True)
    kept = pydicom.Dataset()
    for tag in sorted(data.keys()):
        if (tag.group in _GROUPS or tag == _BURNED_IN) and _is_short(data, tag):
            kept[tag] = data[tag]
    if any(instance.burned_in for instance in stack.instances):
        kept.BurnedInAnnotation = "YES"
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.UID(one.sop_class)
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(one.sop_uid)
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    kept.file_meta = meta
    stream = io.BytesIO()
    write_dicom(stream, kept)
    return stream.getvalue()


def _is_short(data: Dataset, tag: int) -> bool:
    """Whether an element can be read and is no document."""
    try:
        value = data[tag].value
    except damaged():
        return False
    return not isinstance(value, (bytes, str)) or len(value) <= _LONGEST

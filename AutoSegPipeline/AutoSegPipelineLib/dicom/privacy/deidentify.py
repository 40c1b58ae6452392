"""Objects without the patient's identity, and back again: files in, files out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import PipelineError
from ...core.pacs.object_order import MANUFACTURER
from .identity import PATIENT, STUDY, Identity, attributes, burned_in, elements, patient_key
from .profile import BASIC_PROFILE, CLEAN_CONTENT, Profile
from .table import Pseudonyms

if TYPE_CHECKING:
    from pydicom import Dataset

_MARKS = (
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)  # fmt: skip
_FILE_META = (
    "FileMetaInformationGroupLength", "FileMetaInformationVersion", "MediaStorageSOPClassUID",
    "MediaStorageSOPInstanceUID", "TransferSyntaxUID", "ImplementationClassUID", "ImplementationVersionName",
)  # fmt: skip


@dataclass(frozen=True)
class Changed:
    """A file that was written, and the UIDs under which it is known outside."""

    path: Path
    pseudonym: str
    sop_instance: str
    series: str
    study: str


def deidentify(data: Dataset, table: Pseudonyms) -> str:
    """Take the identity out of ``data`` and give back the pseudonym; the table knows it before this returns.

    Raises ``dicom.burned_in``, ``dicom.cannot_deidentify`` and ``dicom.identity_left``; ``data`` must then
    not be used.
    """
    why = burned_in(data)
    if why:
        raise PipelineError("dicom.burned_in", f"{_name(data)} does not leave: {why}")
    identity = Identity(data)
    patient, study = attributes(data, PATIENT), attributes(data, STUDY)
    pseudonym = table.pseudonym(patient_key(data))
    profile = Profile(pseudonym, table.uid, str(data.get("Manufacturer") or "") == MANUFACTURER)
    name = _name(data)
    content = "ContentSequence" in data
    profile.apply(data)
    _clean_file_head(data)
    data.PatientID = data.PatientName = pseudonym
    left = identity.left_in(data, frozenset(profile.replaced.values()))
    if left:
        raise PipelineError(
            "dicom.identity_left", f"{name} does not leave: words of its patient are in {', '.join(left)}"
        )
    _mark(data, content)
    table.keep(pseudonym, study.get("StudyInstanceUID", ""), patient, study, profile.replaced)
    return pseudonym


def reidentify(data: Dataset, table: Pseudonyms, by: str) -> str:
    """Give ``data`` its patient, study and UIDs back; the pseudonym that it had. The table notes who asked.

    Raises ``dicom.unknown_pseudonym`` where the table does not know the patient, or knows the study as
    another patient's.
    """
    pseudonym, name = str(data.get("PatientID") or ""), _name(data)
    patient, study = table.patient(pseudonym), table.study(str(data.get("StudyInstanceUID") or ""))
    if patient is None:
        raise PipelineError("dicom.unknown_pseudonym", f"{name}: no patient is known as {pseudonym!r}")
    if study is not None and study[0] != pseudonym:
        raise PipelineError(
            "dicom.unknown_pseudonym", f"{name} is of {pseudonym!r}, and its study of {study[0]!r}"
        )
    identity = study[1] if study is not None else patient
    known = (*PATIENT, *STUDY) if study is not None else PATIENT
    for element in elements(data):
        if element.VR == "UI" and element.value:
            many = not isinstance(element.value, str)
            values = [str(one) for one in element.value] if many else [str(element.value)]
            found = [table.original(one) or one for one in values]
            element.value = found if many else found[0]
    for keyword in known:
        if keyword in identity:
            value = identity[keyword]
            setattr(data, keyword, value.split("\\") if "\\" in value else value)
        elif keyword in data:
            del data[keyword]
    for keyword in _MARKS:
        if keyword in data:
            del data[keyword]
    table.note_use(by, "re-identified", pseudonym)
    return pseudonym


def deidentify_file(source: Path, folder: Path, table: Pseudonyms) -> Changed:
    """Write ``source`` without its identity below ``folder``; raises as :func:`deidentify`."""
    data = _read(source)
    pseudonym = deidentify(data, table)
    return _write(data, folder, pseudonym)


def reidentify_file(source: Path, folder: Path, table: Pseudonyms, by: str) -> Changed:
    """Write ``source`` with its identity below ``folder``; raises as :func:`reidentify`."""
    data = _read(source)
    pseudonym = reidentify(data, table, by)
    return _write(data, folder, pseudonym)


def _read(source: Path) -> Dataset:
    import pydicom

    try:
        return pydicom.dcmread(source)
    except pydicom.errors.InvalidDicomError:
        raise PipelineError("input.unknown_format", f"{source.name} is no DICOM file") from None


def _write(data: Dataset, folder: Path, pseudonym: str) -> Changed:
    """Named by UIDs alone; the file is there completely or not at all."""
    study = str(data.get("StudyInstanceUID") or "study")
    series = str(data.get("SeriesInstanceUID") or "series")
    instance = str(data.SOPInstanceUID)
    target = folder / series / f"{instance}.dcm"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with open(part, "wb") as stream:
        data.save_as(stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, target)
    return Changed(target, pseudonym, instance, series, study)


def _name(data: Dataset) -> str:
    number = data.get("SeriesNumber")
    return f"{data.get('Modality') or 'DICOM'} series {'?' if number in (None, '') else number}"


def _clean_file_head(data: Dataset) -> None:
    """The titles of who sent the file, private information, and what stands before ``DICM``."""
    for element in list(data.file_meta):
        if element.keyword not in _FILE_META:
            del data.file_meta[element.tag]
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.preamble = b"\0" * 128


def _mark(data: Dataset, content: bool) -> None:
    """Say what was done (PS3.15 E.1.1)."""
    from pydicom import Dataset

    data.PatientIdentityRemoved = "YES"
    data.LongitudinalTemporalInformationModified = "REMOVED"
    data.DeidentificationMethod = "PS3.15 Basic Profile; pixels unchanged"
    codes = []
    for value, meaning in (BASIC_PROFILE, *((CLEAN_CONTENT,) if content else ())):
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
        codes.append(code)
    data.DeidentificationMethodCodeSequence = codes

"""The source of a case as the objects need it: its patient and study, and a data set for each slice."""

from __future__ import annotations

import io
import json
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Sequence

from ...core.errors import PipelineError
from ...core.messages.reader import ProtocolError, read
from ...core.pacs.identity import differences, identity_of
from ...core.pacs.source_series import HEADER, SERIES, SourceSeries
from ...core.pacs.uids import derived_uid
from ...formats.dicom_seg.errors import damaged

if TYPE_CHECKING:
    from pydicom import Dataset

_CT = "1.2.840.10008.5.1.4.1.1.2"
_UTF_8 = "ISO_IR 192"
_SEXES = ("M", "F", "O")
# Type 2 of the modules patient and general study (PS3.3 C.7.1.1, C.7.2.1): there, if only empty.
_ALWAYS = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
# Further elements of patient and study that every object copies as they are.
_COPIED = (
    *_ALWAYS, "IssuerOfPatientID", "OtherPatientIDs", "StudyInstanceUID", "StudyDescription", "PatientAge",
    "PatientSize", "PatientWeight", "PatientIdentityRemoved", "DeidentificationMethod",
    "TimezoneOffsetFromUTC",
)  # fmt: skip


class Source:
    """``series`` says which slices there are, ``header`` whose they are."""

    def __init__(self, series: SourceSeries, header: Dataset) -> None:
        self.series = series
        self.header = header
        self.identity = identity_of(header)

    @classmethod
    def read(cls, path: Path) -> Source:
        """From a file that the intake has written. Raises ``pacs.no_source_headers``."""
        import pydicom

        try:
            with zipfile.ZipFile(path) as archive:
                series = read(SourceSeries, json.loads(archive.read(SERIES)))
                header = pydicom.dcmread(io.BytesIO(archive.read(HEADER)))
                header.decode()
        except _unreadable() as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            text = f"{path.name} cannot be read: {type(error).__name__}."
            raise PipelineError("pacs.no_source_headers", text) from error
        return cls(series, header)

    @property
    def frame_of_reference(self) -> str:
        """The source's own; one that follows from its series where it has none."""
        return self.series.frame_of_reference or derived_uid(self.series.series_uid, "frame of reference")

    @property
    def references(self) -> list[tuple[str, str, int]]:
        """SOP class, SOP instance and frame (from 1; 0: the object has one slice) of each slice."""
        return [(one.sop_class, one.sop_uid, one.frame) for one in self.series.slices]

    def objects(self) -> list[Dataset]:
        """A reference to each object of the source, new ones with each call."""
        return [reference(kind, uid) for kind, uid in dict.fromkeys(one[:2] for one in self.references)]

    def referenced_series(self) -> Dataset:
        """The item of a referenced series sequence (PS3.3 C.12.2)."""
        from pydicom import Dataset

        item = Dataset()
        item.SeriesInstanceUID, item.ReferencedInstanceSequence = self.series.series_uid, self.objects()
        return item

    def datasets(self) -> list[Dataset]:
        """One image of a single slice for each slice, without pixels, as highdicom takes a source.

        A frame of an enhanced object gets a UID of its own here; :func:`restore_references` puts the
        right ones into what was made.
        """
        found = []
        series = self.series
        for one in series.slices:
            data = self._identity()
            data.SOPClassUID = _CT
            data.SOPInstanceUID = _alias(one.sop_uid, one.frame)
            data.SeriesInstanceUID, data.Modality = series.series_uid, series.modality
            data.FrameOfReferenceUID, data.PositionReferenceIndicator = self.frame_of_reference, ""
            data.Rows, data.Columns = series.rows, series.columns
            data.PixelSpacing = [_decimal(value) for value in series.spacing]
            data.ImageOrientationPatient = [_decimal(value) for value in series.orientation]
            data.ImagePositionPatient = [_decimal(value) for value in one.position]
            data.SliceThickness = _decimal(series.thickness)
            found.append(data)
        return found

    def _identity(self) -> Dataset:
        """Patient and study, with what highdicom would refuse left empty; :meth:`mark` restores it."""
        import pydicom
        from pydicom.valuerep import DA, TM

        data = pydicom.Dataset()
        for keyword in _COPIED:
            if keyword in self.header:
                setattr(data, keyword, self.header[keyword].value)
        for keyword in _ALWAYS:
            if getattr(data, keyword, None) is None:
                setattr(data, keyword, "")
        data.SpecificCharacterSet = _UTF_8
        data.StudyInstanceUID = self.series.study_uid
        if data.PatientSex not in _SEXES:
            data.PatientSex = ""
        for keyword, kind in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
            try:
                kind(getattr(data, keyword))
            except ValueError:
                setattr(data, keyword, "")
        return data

    def mark(self, data: Dataset, texts: Sequence[str] = ()) -> None:
        """Give an object the patient and the study of the source, element by element as they are there.

        ``texts`` are those of ours that it holds: where they are no ASCII, the object is written in UTF-8.
        """
        for keyword in _COPIED:
            if keyword in self.header:
                data[keyword] = deepcopy(self.header[keyword])
            elif keyword in _ALWAYS:
                setattr(data, keyword, "")
            elif keyword in data:
                delattr(data, keyword)
        data.StudyInstanceUID = self.series.study_uid
        if not all(text.isascii() for text in texts):
            data.SpecificCharacterSet = _UTF_8
        elif "SpecificCharacterSet" in self.header:
            data.SpecificCharacterSet = self.header.SpecificCharacterSet
        elif "SpecificCharacterSet" in data:
            del data.SpecificCharacterSet

    def check(self, data: Dataset, name: str) -> None:
        """Raise ``pacs.patient_mismatch`` where ``data`` names another patient or study than the source."""
        found = differences(identity_of(data), self.identity)
        if found:
            raise PipelineError(
                "pacs.patient_mismatch", f"{name} differs from its source in {', '.join(found)}."
            )


def _unreadable() -> tuple[type[Exception], ...]:
    return (zipfile.BadZipFile, ProtocolError, *damaged())


def restore_references(data: Dataset, source: Source) -> None:
    """Put the real objects and frame numbers in place of the aliases of :meth:`Source.datasets`."""
    real = {_alias(uid, frame): (kind, uid, frame) for kind, uid, frame in source.references}

    def restored(items: Iterable[Dataset]) -> list[Dataset]:
        """References to complete objects, each once."""
        found = dict.fromkeys(real[item.ReferencedSOPInstanceUID][:2] for item in items)
        return [reference(kind, uid) for kind, uid in found]

    # highdicom uses the same item in several places, so what names complete objects gets new ones.
    for series in data.get("ReferencedSeriesSequence", []):
        series.ReferencedInstanceSequence = restored(series.ReferencedInstanceSequence)
    if "SourceImageSequence" in data:
        data.SourceImageSequence = restored(data.SourceImageSequence)
    for groups in data.PerFrameFunctionalGroupsSequence:
        for derivation in groups.get("DerivationImageSequence", []):
            for item in derivation.SourceImageSequence:
                kind, uid, frame = real.get(item.ReferencedSOPInstanceUID, ("", "", 0))
                if frame:
                    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = kind, uid
                    item.ReferencedFrameNumber = frame


def reference(kind: str, uid: str) -> Dataset:
    """An item that names an object by its SOP class and instance."""
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = kind, uid
    return item


def _alias(uid: str, frame: int) -> str:
    return derived_uid(uid, frame) if frame else uid


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2), as exact as that allows."""
    text = repr(float(value) + 0.0)
    text = text[:-2] if text.endswith(".0") else text
    digits = 15
    while len(text) > 16:
        text = f"{float(value):.{digits}g}"
        digits -= 1
    return text

"""Surfaces as encapsulated STL (PS3.3 A.85.1): one object for each structure, all in one series."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

from ...core.pacs.uids import derived_uid
from ...core.segmentation import Code, Segmentation
from ..writers.zips import file_names
from .plain_object import plain_object
from .source import Source
from .structures import Structure, cielab, concept

if TYPE_CHECKING:
    from pydicom import Dataset

ENCAPSULATED_STL = "1.2.840.10008.5.1.4.1.1.104.3"
DESCRIPTION = "Surfaces by AutoSegPipeline"


def stl_objects(archive: Path, segmentation: Segmentation, source: Source, uid: str) -> Iterator[Dataset]:
    """The members of ``NAME.stl.zip`` (LPS millimetres) in the order of the segments."""
    names = file_names([one.name for one in segmentation.segments])
    with zipfile.ZipFile(archive) as members:
        there = set(members.namelist())
        found = [
            (segment, f"{name}.stl")
            for segment, name in zip(segmentation.segments, names)
            if f"{name}.stl" in there
        ]
        for number, (segment, member) in enumerate(found):
            data = plain_object(source, ENCAPSULATED_STL, "M3D", uid, number)
            _add_document(data, Structure.of(segment, 0, number + 1, uid), members.read(member), source, uid)
            yield data


def _add_document(data: Dataset, structure: Structure, document: bytes, source: Source, uid: str) -> None:
    """Frame of reference, encapsulated document and manufacturing 3D model (PS3.3 C.24.2, C.35.1)."""
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = source.frame_of_reference, ""
    data.AcquisitionDateTime = ""
    data.BurnedInAnnotation = "NO"
    data.DocumentTitle = structure.label
    data.ConceptNameCodeSequence = [structure.finding]
    data.MIMETypeOfEncapsulatedDocument = "model/stl"
    data.EncapsulatedDocumentLength = len(document)
    data.EncapsulatedDocument = document + bytes(len(document) % 2)
    data.MeasurementUnitsCodeSequence = [concept(Code("UCUM", "mm", "mm"))]
    data.ModelModification, data.ModelMirroring = "NO", "NO"
    data.RecommendedDisplayCIELabValue = cielab(structure.segment.colour)
    data.ContentDescription = structure.label
    data.ModelGroupUID = derived_uid(uid, "group")
    data.SourceInstanceSequence = source.objects()
    data.ReferencedSeriesSequence = [source.referenced_series()]

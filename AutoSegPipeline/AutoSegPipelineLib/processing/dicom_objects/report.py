"""Volumes and mean intensities as a measurement report (TID 1500), each referring to its segment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Sequence

from ...core.pacs.object_order import MANUFACTURER
from ...core.pacs.uids import derived_uid
from .origin import Origin
from .source import Source
from .structures import Structure

if TYPE_CHECKING:
    from highdicom.sr import Measurement, VolumetricROIMeasurementsAndQualitativeEvaluations
    from pydicom import Dataset

DESCRIPTION = "Volumes by AutoSegPipeline"
_HOUNSFIELD = "HU"


def read_statistics(path: Path) -> tuple[dict[str, Mapping[str, object]], str]:
    """The rows of ``NAME.statistics.json`` by the structure's name, and the unit of intensities."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return {str(row["name"]): row for row in document["structures"]}, str(document["intensity_unit"])


def report_object(
    structures: Sequence[Structure],
    statistics: Mapping[str, Mapping[str, object]],
    unit: str,
    segmentations: Sequence[Dataset],
    source: Source,
    origin: Origin,
    uid: str,
) -> Dataset:
    """The report; it refers to ``segmentations``, and ``uid`` is the order's for reports."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=origin.device_uid, name=MANUFACTURER, manufacturer_name=MANUFACTURER,
        model_name=origin.model, serial_number=None,
    )  # fmt: skip
    observer = sr.ObserverContext(codes.DCM.Device, device)
    measured = [
        _group(one, statistics[one.segment.name], unit, segmentations, source, origin)
        for one in structures
        if one.segment.name in statistics
    ]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=(
            codes.cid100.MRIUnspecifiedBodyRegion
            if source.series.modality == "MR"
            else codes.cid100.CTUnspecifiedBodyRegion
        ),
        imaging_measurements=measured,
        title=codes.cid7021.ImagingMeasurementReport,
    )
    data: Dataset = sr.Comprehensive3DSR(
        evidence=_evidence(segmentations, source),
        content=content,
        series_instance_uid=derived_uid(uid, "series"),
        series_number=1,
        sop_instance_uid=derived_uid(uid, "instance", 0),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
    )
    return data


def _evidence(segmentations: Sequence[Dataset], source: Source) -> list[Dataset]:
    """Every object that the report is about: the slices, each once, and the segmentations."""
    found: dict[str, Dataset] = {}
    for data, (kind, uid, _) in zip(source.datasets(), source.references):
        data.SOPClassUID, data.SOPInstanceUID = kind, uid
        found.setdefault(uid, data)
    return [*found.values(), *segmentations]


def _group(
    structure: Structure,
    row: Mapping[str, object],
    unit: str,
    segmentations: Sequence[Dataset],
    source: Source,
    origin: Origin,
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    from highdicom import sr

    seg = segmentations[structure.object]
    site = structure.site
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(structure.tracking_uid, structure.label),
        referenced_segment=sr.ReferencedSegment(
            seg.SOPClassUID, seg.SOPInstanceUID, structure.number,
            source_series=sr.SourceSeriesForSegmentation(source.series.series_uid),
        ),
        finding_category=structure.category,
        finding_type=structure.finding,
        finding_sites=None if site is None else [site],
        algorithm_id=origin.algorithm(structure.segment.name).of_measurements(),
        measurements=_measurements(row, unit),
    )  # fmt: skip


def _measurements(row: Mapping[str, object], unit: str) -> list[Measurement]:
    from highdicom.sr import CodedConcept, Measurement
    from pydicom.sr.codedict import codes

    found = [
        Measurement(
            CodedConcept("118565006", "SCT", "Volume"), _number(row["volume_ml"]),
            CodedConcept("cm3", "UCUM", "cubic centimeter"),
        )
    ]  # fmt: skip
    intensity = row.get("intensity")
    if isinstance(intensity, dict):
        hounsfield = unit == _HOUNSFIELD
        name = CodedConcept("112031", "DCM", "Attenuation Coefficient")
        units = CodedConcept("[hnsf'U]", "UCUM", "Hounsfield unit")
        if not hounsfield:
            name = CodedConcept("110852", "DCM", "MR signal intensity")
            units = CodedConcept("1", "UCUM", "no units")
        for key, derivation in (("mean", codes.SCT.Mean), ("sd", codes.SCT.StandardDeviation)):
            found.append(Measurement(name, _number(intensity[key]), units, derivation=derivation))
    return found


def _number(value: object) -> float:
    """Rounded to what a decimal string of 16 characters holds."""
    return float(f"{float(str(value)):.6f}")

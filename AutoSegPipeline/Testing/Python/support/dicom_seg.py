"""DICOM segmentation objects for tests, written element by element so that any may be missing or lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pydicom
from AutoSegPipelineLib.core.segmentation import Grid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items

from .intake import save

CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
CATEGORY = ("123037004", "SCT", "Anatomical Structure")
LIVER, KIDNEY = ("10200004", "SCT", "Liver"), ("64033007", "SCT", "Kidney")
LEFT = ("7771000", "SCT", "Left")


def code(value: str, scheme: str, meaning: str) -> Items:
    """A code sequence of one item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Items([item])


def segment(number: int, label: str, kind: tuple[str, str, str] = LIVER, **more: Any) -> Dataset:
    """One item of the segment sequence; ``modifier`` is the code of a side."""
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel, item.SegmentAlgorithmType = number, label, "MANUAL"
    item.SegmentedPropertyCategoryCodeSequence = code(*CATEGORY)
    item.SegmentedPropertyTypeCodeSequence = code(*kind)
    modifier = more.pop("modifier", None)
    if modifier:
        item.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = code(*modifier)
    for key, value in more.items():
        setattr(item, key, value)
    return item


def sequence(**values: Any) -> Items:
    """A sequence of one item with these elements."""
    item = Dataset()
    for key, value in values.items():
        setattr(item, key, value)
    return Items([item])


def dicom_seg(
    path: Path,
    on: Grid,
    masks: dict[int, np.ndarray],
    segments: Sequence[Dataset],
    kind: str = "BINARY",
    order: Sequence[tuple[int, int]] | None = None,
    **tags: Any,
) -> Path:
    """Write the arrays of ``masks`` (segment number to (k, j, i)) as an object.

    ``order`` names the frames as (segment number, slice); every one with a voxel unless it is given.
    ``tags`` replace elements of the data set, ``None`` removes one; ``between`` is the stated distance
    of slices (0: not stated), ``digits`` rounds positions, ``syntax`` is a transfer syntax.
    """
    between, digits = tags.pop("between", on.spacing[2]), tags.pop("digits", 6)
    syntax = tags.pop("syntax", pydicom.uid.ExplicitVRLittleEndian)
    affine, spacing = np.array(on.affine), on.spacing
    if order is None:
        order = [(number, k) for number, mask in masks.items() for k in range(len(mask)) if mask[k].any()]
    data = Dataset()
    data.SOPClassUID = LABEL_MAP_CLASS if kind == "LABELMAP" else CLASS
    data.SOPInstanceUID, data.SeriesInstanceUID, data.StudyInstanceUID = "1.2.7.1", "1.2.7", "1.2.3"
    data.Modality, data.PatientID, data.SeriesNumber, data.InstanceNumber = "SEG", "P1", 300, 1
    data.SegmentationType, data.ImageType = kind, ["DERIVED", "PRIMARY"]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit = bits - 1
    if kind == "FRACTIONAL":
        data.SegmentationFractionalType, data.MaximumFractionalValue = "PROBABILITY", 200
    data.Rows, data.Columns = on.array_shape[1:]
    data.SegmentSequence = Items(segments)
    data.NumberOfFrames = len(order)
    unit = affine[:3, :3] / np.array(spacing)
    measures = sequence(PixelSpacing=[spacing[1], spacing[0]], SliceThickness=spacing[2])
    if between:
        measures[0].SpacingBetweenSlices = between
    data.SharedFunctionalGroupsSequence = sequence(
        PixelMeasuresSequence=measures,
        PlaneOrientationSequence=sequence(ImageOrientationPatient=[*unit[:, 0], *unit[:, 1]]),
    )
    frames = []
    for number, k in order:
        place = [round(float(v), digits) for v in affine[:3, 3] + k * affine[:3, 2]]
        groups = {"PlanePositionSequence": sequence(ImagePositionPatient=place)}
        if kind != "LABELMAP":
            groups["SegmentIdentificationSequence"] = sequence(ReferencedSegmentNumber=number)
        frames.append(sequence(**groups)[0])
    data.PerFrameFunctionalGroupsSequence = Items(frames)
    pixels = np.stack([masks[number][k] for number, k in order])
    data.PixelData = _pixels(pixels, bits)
    data["PixelData"].VR = "OB"
    for key, value in tags.items():
        if value is None:
            delattr(data, key)
        else:
            setattr(data, key, value)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    if syntax == pydicom.uid.RLELossless:
        data.compress(syntax, encoding_plugin="pydicom")
    else:
        data.file_meta.TransferSyntaxUID = syntax
    save(data, path)
    return path


def _pixels(pixels: np.ndarray, bits: int) -> bytes:
    raw = np.packbits(pixels.astype(bool).ravel(), bitorder="little") if bits == 1 else pixels.astype("u1")
    return raw.tobytes() + b"\0" * (raw.size % 2)

"""The picture of a result as a secondary capture, which every viewer shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .plain_object import plain_object
from .source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
DESCRIPTION = "Picture by AutoSegPipeline"
_FREE_OF_TEXT = ("CT", "MR", "PT")  # scanners that write nothing into their slices


def capture_object(picture: Path, source: Source, uid: str) -> Dataset:
    """The picture in colour. No words about the patient are in it but those in the pixels of the scan."""
    pixels = _pixels(picture)
    data = plain_object(source, SECONDARY_CAPTURE, "OT", uid, 0)
    data.ConversionType = "WSD"
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.PatientOrientation, data.Laterality = "", ""
    data.SourceImageSequence = source.objects()
    data.ReferencedSeriesSequence = [source.referenced_series()]
    annotation = _annotation(source)
    if annotation:
        data.BurnedInAnnotation = annotation
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.Rows, data.Columns = pixels.shape[:2]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    raw = pixels.tobytes()
    data.PixelData = raw + bytes(len(raw) % 2)
    data["PixelData"].VR = "OB"
    return data


def _annotation(source: Source) -> str:
    """Burned In Annotation (PS3.3 C.7.6.1): the source's, whose slices it shows; empty where unknown."""
    stated = str(source.header.get("BurnedInAnnotation") or "").upper()
    if stated in ("YES", "NO"):
        return stated
    screens = any(kind.startswith(SECONDARY_CAPTURE) for kind, _, _ in source.references)
    return "NO" if source.series.modality in _FREE_OF_TEXT and not screens else ""


def _pixels(picture: Path) -> np.ndarray:
    """Red, green and blue, (row, column, 3), from above downwards."""
    import SimpleITK

    array: np.ndarray = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(picture)))
    if array.ndim == 2:
        array = np.stack([array] * 3, axis=-1)
    return np.ascontiguousarray(array[..., :3], dtype=np.uint8)

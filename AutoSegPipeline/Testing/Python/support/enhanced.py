"""Enhanced DICOM objects of the tests' field, with any division into files, frames and functional groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterable

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from .intake import field, field_slices, save

ENHANCED = {"CT": "1.2.840.10008.5.1.4.1.1.2.1", "MR": "1.2.840.10008.5.1.4.1.1.4.1"}
AXIAL = (1, 0, 0, 0, 1, 0)


def frame(place: Any, orientation: Any = AXIAL, **more: Any) -> dict[str, Any]:
    """One frame: ``echo``, ``kind``, ``moment``, ``slope`` and ``plus`` (HU added) besides."""
    return {"place": place, "orientation": orientation, **more}


def enhanced_file(
    path: Path, frames: Iterable[dict[str, Any]], shared: str = "orientation measures scale", **tags: Any
) -> Path:
    """Write ``frames`` into one object; ``shared`` names the groups that all frames have in common."""
    frames = list(frames)
    modality = tags.get("Modality", "CT")
    (single,) = field_slices(path.parent / "one", [frames[0]["place"]], AXIAL)
    data = pydicom.dcmread(single)
    single.unlink()
    single.parent.rmdir()
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = ENHANCED[modality]
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.4.{abs(hash(path.name)) % 10**9}"
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
                    "RescaleSlope", "RescaleIntercept"):  # fmt: skip
        delattr(data, keyword)
    common, groups, pixels = Dataset(), [], []
    for number, one in enumerate(frames):
        own = Dataset()
        for name, keyword, values in _groups(number, one):
            target = common if name in shared.split() else own
            setattr(target, keyword, Sequence([_dataset(values)]))
        groups.append(own)
        pixels.append(_pixels(one))
    data.SharedFunctionalGroupsSequence = Sequence([common])
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    data.NumberOfFrames, data.PixelData = len(frames), np.stack(pixels).tobytes()
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    save(data, path)
    return path


def _groups(number: int, one: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Name in ``shared``, sequence and values of each functional group of a frame."""
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("position", "PlanePositionSequence",
         {"ImagePositionPatient": [round(float(v), 6) for v in one["place"]]}),
        ("orientation", "PlaneOrientationSequence",
         {"ImageOrientationPatient": [round(float(v), 8) for v in one["orientation"]]}),
        ("measures", "PixelMeasuresSequence", {"PixelSpacing": [2, 2], "SliceThickness": 3}),
        ("scale", "PixelValueTransformationSequence",
         {"RescaleSlope": one.get("slope", 1), "RescaleIntercept": -1024, "RescaleType": "HU"}),
        ("content", "FrameContentSequence",
         {"StackID": "1", "InStackPositionNumber": number + 1,
          "TemporalPositionIndex": one.get("moment", 1)}),
    ]  # fmt: skip
    if "echo" in one:
        found.append(("echo", "MREchoSequence", {"EffectiveEchoTime": one["echo"]}))
    if "kind" in one:
        found.append(("kind", "MRImageFrameTypeSequence", {"FrameType": one["kind"]}))
    return found


def _dataset(values: dict[str, Any]) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def _pixels(one: dict[str, Any]) -> np.ndarray:
    j, i = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
    way = one["orientation"]
    points = [one["place"][r] + 2 * (i * way[r] + j * way[3 + r]) for r in range(3)]
    values = field(*points) + one.get("plus", 0) + 1024
    return np.rint(values / one.get("slope", 1)).astype("<u2")

"""A DICOM series of a phantom: one CT or MR Image Storage instance for each slice."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ...formats.dicom_seg.write import write_dicom
from ..volume import Volume

_CT = "1.2.840.10008.5.1.4.1.1.2"
_MR = "1.2.840.10008.5.1.4.1.1.4"


def write_dicom_series(
    volume: Volume,
    folder: Path | str,
    *,
    seed: int = 0,
    slope: float = 1.0,
    intercept: float = -1024.0,
    suffix: str = ".dcm",
    **tags: Any,
) -> list[Path]:
    """Write slices ``IM0001.dcm`` ... along k into ``folder`` (made if missing).

    Stored value times ``slope`` plus ``intercept`` is the voxel. UIDs follow
    from ``seed`` and the series, study and patient named in ``tags``, which
    set any DICOM keyword on every instance (``PatientName="A^B"``,
    ``SeriesNumber=3``; None removes it). The volume's axes must be at right
    angles; it may be oblique or left-handed. Raises ValueError otherwise.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.asarray(volume.grid.affine)
    directions = affine[:3, :3] / np.asarray(volume.grid.spacing)
    if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-4):
        raise ValueError("DICOM slices need axes at right angles")
    stored = np.rint((volume.array.astype(np.float32) - intercept) / slope)
    if stored.min() < -32768 or stored.max() > 32767:
        raise ValueError("slope and intercept do not bring the voxels into 16 bits")
    common = _common(volume, seed, slope, intercept, tags)
    paths = []
    for k in range(volume.grid.shape[2]):
        path = folder / f"IM{k + 1:04d}{suffix}"
        _save(_instance(common, volume, stored[k].astype("<i2"), k, tags), path)
        paths.append(path)
    return paths


def _uid(*parts: Any) -> str:
    """The same UID for the same parts, below pydicom's own root."""
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[str(part) for part in parts]))


def _common(
    volume: Volume, seed: int, slope: float, intercept: float, tags: dict[str, Any]
) -> dict[str, Any]:
    """Keyword to value, the same in every slice (PS3.3 A.3 and A.4)."""
    modality = tags.get("Modality", volume.modality or "CT")
    patient = tags.get("PatientID", f"PHANTOM{seed}")
    number = tags.get("SeriesNumber", 1)
    values = {
        "SOPClassUID": _MR if modality == "MR" else _CT,
        "ImageType": ["DERIVED", "SECONDARY", "AXIAL"],
        "Modality": modality,
        "Manufacturer": "AutoSegPipeline",
        "StudyDate": "20200101",
        "SeriesDate": "20200101",
        "ContentDate": "20200101",
        "StudyTime": "120000",
        "ContentTime": "120000",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyDescription": "Phantom",
        "SeriesDescription": "Torso phantom",
        "PatientName": "Synthetic^Nobody",
        "PatientID": patient,
        "PatientBirthDate": "",
        "PatientSex": "O",
        "StudyID": "1",
        "SeriesNumber": number,
        "StudyInstanceUID": _uid("study", seed, patient),
        "SeriesInstanceUID": _uid("series", seed, patient, number),
        "FrameOfReferenceUID": _uid("frame", seed, patient),
        "PositionReferenceIndicator": "",
        "PatientPosition": "HFS",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
    }
    if modality == "CT":
        values.update(KVP="120", RescaleSlope=_ds(slope), RescaleIntercept=_ds(intercept), RescaleType="HU")
    elif (slope, intercept) != (1.0, 0.0):
        values.update(RescaleSlope=_ds(slope), RescaleIntercept=_ds(intercept))
    return {**values, **tags}


def _instance(common: dict[str, Any], volume: Volume, plane: np.ndarray, k: int, tags: dict[str, Any]) -> Any:
    from pydicom.dataset import Dataset

    affine = np.asarray(volume.grid.affine)
    spacing = volume.grid.spacing
    directions = affine[:3, :3] / np.asarray(spacing)
    position = affine[:3, 3] + k * affine[:3, 2]
    geometry = {
        "SOPInstanceUID": _uid("instance", common.get("SeriesInstanceUID"), k),
        "InstanceNumber": k + 1,
        "ImagePositionPatient": [_ds(v) for v in position],
        "ImageOrientationPatient": [_ds(v) for v in (*directions[:, 0], *directions[:, 1])],
        "PixelSpacing": [_ds(spacing[1]), _ds(spacing[0])],  # rows first (PS3.3 10.7.1.3)
        "SliceThickness": _ds(spacing[2]),
        "SliceLocation": _ds(float(position @ np.cross(directions[:, 0], directions[:, 1]))),
        "Rows": plane.shape[0],
        "Columns": plane.shape[1],
    }
    dataset = Dataset()
    for keyword, value in {**common, **geometry, **tags}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.PixelData = plane.tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2)."""
    text = repr(round(float(value), 10) + 0.0)
    for digits in range(15, 4, -1):
        if len(text) <= 16:
            break
        text = f"{float(value):.{digits}g}"
    return text


def _save(dataset: Any, path: Path) -> None:
    """Explicit VR little endian with preamble."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dicom(path, dataset)

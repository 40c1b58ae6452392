"""Files for the intake's tests, written byte by byte so that any lie can be told in them."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from AutoSegPipelineLib.core.messages.intake_messages import Inspect
from AutoSegPipelineLib.core.messages.reader import plain, read
from AutoSegPipelineLib.intake.inspect import inspect

SHAPE = (12, 11, 10)
RAS = np.array([[-2.0, 0, 0, 30], [0, -2.5, 0, 40], [0, 0, 3.0, -50], [0, 0, 0, 1]])
CODES = {
    "u1": 2,
    "i2": 4,
    "i4": 8,
    "f4": 16,
    "f8": 64,
    "i1": 256,
    "u2": 512,
    "u4": 768,
    "i8": 1024,
    "u8": 1280,
}


def ct_array(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """A noisy body in air, shape (k, j, i), int16 HU."""
    random = np.random.default_rng(seed)
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in reversed(shape)), indexing="ij")
    body = (i**2 + j**2) < 0.7
    values = np.where(body, 40.0, -1000.0) + random.normal(0, 12, body.shape) + 20 * k
    return np.clip(np.rint(values), -1024, 3000).astype("<i2")


def nifti_bytes(array: np.ndarray | None = None, **change: Any) -> bytes:
    """A NIfTI-1 file; ``change`` sets dim, sform, codes, slope, descrip, intent, datatype, units ..."""
    array = ct_array() if array is None else array
    word = array.dtype.str[1:]
    order = ">" if array.dtype.str[0] == ">" else "<"
    dim = change.get("dim") or [array.ndim, *reversed(array.shape)] + [1] * (7 - array.ndim)
    sform = change.get("sform", RAS)
    spacing = [math.sqrt(float((sform[:3, c] ** 2).sum())) for c in range(3)]
    head = bytearray(352)
    struct.pack_into(order + "i", head, 0, 348)
    struct.pack_into(order + "8h", head, 40, *dim)
    struct.pack_into(order + "h", head, 68, change.get("intent", 0))
    struct.pack_into(
        order + "hh", head, 70, change.get("datatype", CODES[word]), change.get("bitpix", 8 * int(word[1:]))
    )
    struct.pack_into(order + "8f", head, 76, change.get("qfac", 1.0), *spacing, 1, 1, 1, 1)
    struct.pack_into(order + "3f", head, 108, 352, change.get("slope", 1.0), change.get("inter", 0.0))
    head[123] = change.get("units", 2)
    head[148 : 148 + len(change.get("descrip", b""))] = change.get("descrip", b"")
    struct.pack_into(order + "hh", head, 252, change.get("qcode", 0), change.get("scode", 1))
    struct.pack_into(order + "6f", head, 256, *change.get("quatern", (0, 0, 0, 0, 0, 0)))
    struct.pack_into(order + "12f", head, 280, *np.asarray(sform)[:3].ravel())
    head[344:348] = change.get("magic", b"n+1\0")
    return bytes(head) + array.tobytes()


def nrrd_bytes(array: np.ndarray | None = None, extra: str = "", drop: str = "", **fields: str) -> bytes:
    """An attached NRRD (raw unless ``encoding`` says gzip); fields by name with _ for a space."""
    array = ct_array() if array is None else array
    types = {"i2": "short", "u1": "uchar", "f4": "float"}
    given = {
        "type": types[array.dtype.str[1:]],
        "dimension": str(array.ndim),
        "space": "left-posterior-superior",
        "sizes": " ".join(str(n) for n in reversed(array.shape)),
        "space_directions": "(2,0,0) (0,2.5,0) (0,0,3)",
        "endian": "little",
        "encoding": "raw",
        "space_origin": "(-30,-40,-50)",
        **fields,
    }
    lines = [f"{key.replace('_', ' ')}: {value}" for key, value in given.items() if key not in drop.split()]
    text = "\n".join(["NRRD0005", *lines]) + "\n" + extra
    body = array.tobytes()
    if "data_file" in fields:
        return text.encode()
    return text.encode() + b"\n" + (gzip.compress(body) if given["encoding"] == "gzip" else body)


def meta_bytes(array: np.ndarray | None = None, drop: str = "", **fields: str) -> bytes:
    """A MetaImage with its data (LOCAL) unless ``ElementDataFile`` says otherwise."""
    array = ct_array() if array is None else array
    given = {
        "ObjectType": "Image",
        "NDims": str(array.ndim),
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "-30 -40 -50",
        "ElementSpacing": "2 2.5 3",
        "DimSize": " ".join(str(n) for n in reversed(array.shape)),
        "ElementType": {"i2": "MET_SHORT", "u1": "MET_UCHAR", "f4": "MET_FLOAT"}[array.dtype.str[1:]],
        **{key: value for key, value in fields.items() if key != "ElementDataFile"},
    }
    lines = [f"{key} = {value}" for key, value in given.items() if key not in drop.split()]
    lines.append(f"ElementDataFile = {fields.get('ElementDataFile', 'LOCAL')}")
    body = array.tobytes() if "ElementDataFile" not in fields else b""
    return ("\n".join(lines) + "\n").encode() + body


def look(folder: Path, work: Path | None = None, **args: Any) -> dict[str, Any]:
    """The inspection of ``folder`` with the defaults of the pipeline; the answer as it goes over the wire."""
    args.setdefault("options", {"min_slices": 8})
    places = {"folder": str(folder), "work": str(work or folder.parent / (folder.name + ".work"))}
    return plain(inspect(read(Inspect, {**places, **args})))


def look_at(tmp_path: Path, name: str, data: bytes, **args: Any) -> dict[str, Any]:
    """The inspection of a folder with this one file."""
    folder = tmp_path / "input"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return look(folder, **args)


def codes(answer: dict[str, Any]) -> list[str]:
    """Codes of all refusals; every one has a message and a hint."""
    for row in answer["refusals"]:
        assert row["error"]["message"] and row["error"]["hint"] and row["stem"], row
    return sorted(row["error"]["code"] for row in answer["refusals"])


def only_case(answer: dict[str, Any]) -> dict[str, Any]:
    """The one case of an inspection without refusals."""
    assert answer["refusals"] == []
    (case,) = answer["cases"]
    return case


def field(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A smooth picture without any symmetry, in HU, of LPS millimetres."""
    return 200 * np.sin(x / 35 + 0.4) + 150 * np.cos(y / 40 + 0.2) + 1.5 * z + 0.8 * x - 100


def field_slices(
    folder: Path, places: list[Any], orientation: Any, size: int = 40, spacing: float = 2.0, **tags: Any
) -> list[Path]:
    """CT slices of :func:`field` with the first pixel at each of ``places`` (LPS mm)."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    folder.mkdir(parents=True, exist_ok=True)
    row, down = np.array(orientation[:3]), np.array(orientation[3:])
    made = []
    for number, place in enumerate(places):
        data = Dataset()
        data.SOPClassUID = tags.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2")
        data.SOPInstanceUID = f"1.2.3.{tags.get('SeriesNumber', 1)}.{tags.get('offset', 0) + number + 1}"
        data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", f"1.2.3.{tags.get('SeriesNumber', 1)}"
        data.Modality, data.PatientID, data.PatientName = "CT", "P1", "Doe^Jane"
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.SeriesNumber, data.InstanceNumber = 1, number + 1
        data.SeriesDescription = "Thorax"
        data.ImagePositionPatient = [round(float(v), 6) for v in place]
        data.ImageOrientationPatient = [round(float(v), 8) for v in orientation]
        data.PixelSpacing, data.SliceThickness = [spacing, spacing], 3.0
        j, i = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
        points = [place[r] + spacing * (i * row[r] + j * down[r]) for r in range(3)]
        pixels = np.rint(field(*points) + 1024).astype("<u2")
        data.Rows, data.Columns, data.SamplesPerPixel = size, size, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 0
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        for key, value in tags.items():
            if key != "offset":
                setattr(data, key, value(number) if callable(value) else value)
        data.PixelData = pixels.tobytes()
        data["PixelData"].VR = "OW"
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        path = folder / f"S{tags.get('SeriesNumber', 1)}_{tags.get('offset', 0) + number:04d}"
        save(data, path)
        made.append(path)
    return made


def save(data: Any, path: Path) -> None:
    """A whole DICOM file, in the words of pydicom 2.4 and of 3."""
    import pydicom

    if int(pydicom.__version__.split(".")[0]) >= 3:
        data.save_as(path, enforce_file_format=True)
        return
    data.is_little_endian, data.is_implicit_VR = True, False
    data.save_as(path, write_like_original=False)


def worst_error(case: dict[str, Any], margin: int = 1) -> float:
    """Largest difference of a staged case to :func:`field`, padding of straightened slices aside."""
    import SimpleITK

    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(case["path"])).astype(float)
    affine = np.array(case["affine"])
    k, j, i = np.meshgrid(*(np.arange(n) for n in array.shape), indexing="ij")
    x, y, z = (affine[r, 0] * i + affine[r, 1] * j + affine[r, 2] * k + affine[r, 3] for r in range(3))
    error = np.abs(array - field(x, y, z))
    inside = array != array.min()
    error[~inside] = 0
    return float(error[:, margin:-margin, margin:-margin].max())

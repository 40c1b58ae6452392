"""Sound small inputs of every kind, ways of damaging them, and what must hold of the answer all the same."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from AutoSegPipelineLib.core.errors import CODES, Cancelled, PipelineError
from AutoSegPipelineLib.core.progress import no_check
from AutoSegPipelineLib.intake.child import run_task
from hypothesis import strategies as st

from .dicom_seg import dicom_seg, segment
from .intake import ct_array, meta_bytes, nifti_bytes, nrrd_bytes
from .processing import grid

SMALL = (11, 10, 9)  # i, j, k
# What a person must never be shown: names of Python's errors, traces, addresses of objects.
PYTHON_WORDS = re.compile(r"Traceback|\b[A-Z]\w+(?:Error|Exception)\b|object at 0x|NoneType|File \"")
UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Numbers at the edges of what headers can hold.
NUMBERS = [
    "0", "-1", "1", "2", "3", "7", "255", "65536", "2147483647", "2147483648", "4294967296",
    "99999999999999999999",     "nan", "inf", "-inf", "1e300", "1e-300", "", "x", "1,5", "0x10",
]  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def _labels() -> np.ndarray:
    array = np.zeros(SMALL[::-1], np.uint8)
    array[2:6, 2:6, 2:6], array[5:8, 5:8, 5:9] = 1, 2
    return array


def _seg_nrrd() -> bytes:
    lines = []
    for number, name in enumerate(("liver", "spleen")):
        lines += [f"Segment{number}_ID:=S{number}", f"Segment{number}_Name:={name}",
                  f"Segment{number}_Layer:=0", f"Segment{number}_LabelValue:={number + 1}",
                  f"Segment{number}_Color:=0.5 0.2 0.1",
                  f"Segment{number}_Extent:=0 10 0 9 0 8"]  # fmt: skip
    return nrrd_bytes(_labels(), extra="\n".join(lines) + "\n", encoding="gzip")


def _slices(count: int = 9) -> dict[str, bytes]:
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    voxels = ct_array((10, 10, count))
    found = {}
    for number in range(count):
        data, meta = Dataset(), FileMetaDataset()
        data.SOPClassUID = meta.MediaStorageSOPClassUID = CTImageStorage
        data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = f"1.2.3.{number + 1}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.Modality, data.PatientID, data.PatientName = "CT", "P1", "Doe^Jane"
        data.StudyInstanceUID, data.SeriesInstanceUID, data.SeriesNumber = "1.2.3", "1.2.4", 1
        data.InstanceNumber, data.ImageType = number + 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.ImagePositionPatient, data.ImageOrientationPatient = [-9, -8, 3.0 * number], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [2, 2], 3
        data.Rows, data.Columns, data.SamplesPerPixel = 10, 10, 1
        data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 1
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.RescaleSlope, data.RescaleIntercept = 1, 0
        data.PixelData = voxels[number].astype("<i2").tobytes()
        data.file_meta = meta
        stream = io.BytesIO()
        pydicom.dcmwrite(stream, data, enforce_file_format=True)
        found[f"IM{number:04d}.dcm"] = stream.getvalue()
    return found


def _zip(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _dicom_seg(kind: str) -> dict[str, bytes]:
    """A segmentation object; nothing where highdicom, which reads it, is missing (Slicer's Python)."""
    if find_spec("highdicom") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path, on = Path(folder, "a.dcm"), grid(SMALL)
        masks = {number: np.asarray(_labels() == number, np.uint8) for number in (1, 2)}
        if kind == "LABELMAP":
            masks = {0: _labels()}
        order = [(number, k) for number in masks for k in range(1, 8)]
        segments = [segment(1, "Liver"), segment(2, "Spleen")]
        dicom_seg(path, on, masks, segments, kind, order)
        return {"a.dcm": path.read_bytes()}


def sound_inputs() -> dict[str, dict[str, bytes]]:
    """Files by name for each kind of input; all of them are read without a refusal."""
    ct = ct_array(SMALL)
    nifti = nifti_bytes(ct)
    pair = nifti_bytes(ct, magic=b"ni1\0")
    segmented = {f"dicom {kind}": _dicom_seg(kind) for kind in ("BINARY", "LABELMAP")}
    return {
        **{kind: files for kind, files in segmented.items() if files},
        "nifti": {"a.nii": nifti},
        "nifti gz": {"a.nii.gz": gzip.compress(nifti)},
        "nifti pair": {"a.hdr": pair[:108] + bytes(4) + pair[112:348], "a.img": pair[352:]},
        "nrrd": {"a.nrrd": nrrd_bytes(ct)},
        "nrrd gz": {"a.nrrd": nrrd_bytes(ct, encoding="gzip")},
        "nhdr": {"a.nhdr": nrrd_bytes(ct, data_file="a.raw"), "a.raw": ct.tobytes()},
        "metaimage": {"a.mha": meta_bytes(ct)},
        "mhd": {"a.mhd": meta_bytes(ct, ElementDataFile="a.raw"), "a.raw": ct.tobytes()},
        "dicom": _slices(),
        "zip": {"a.zip": _zip({"deep/a.nii": nifti, "deep/readme.txt": b"hello"})},
        "zip of dicom": {"a.zip": _zip(_slices())},
        "seg.nrrd": {"a.seg.nrrd": _seg_nrrd()},
        "label map": {
            "a.nii.gz": gzip.compress(nifti_bytes(_labels())), "a.csv": b"value,name\n1,liver\n2,spleen\n",
        },
        "options": {"a.nii": nifti, "a.options.json": b'{"quality": "fast", "min_slices": 5}'},
    }  # fmt: skip


SEGMENTATIONS = ("seg.nrrd", "label map", "dicom BINARY", "dicom LABELMAP")


@st.composite
def damaged(draw: st.DrawFn, files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files, one to three of them or one of them one to three times changed."""
    changed = dict(files)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(changed)))
        how = draw(st.sampled_from([_flip, _cut, _insert, _number, _number, _remove_line, _swap, _text]))
        changed[name] = how(draw, changed[name])
    return changed


def _place(draw: st.DrawFn, data: bytes) -> int:
    """Mostly in the header, where the words are that decide."""
    most = max(len(data) - 1, 0)
    return draw(st.one_of(st.integers(0, min(most, 1200)), st.integers(0, most)))


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    at = _place(draw, data)
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: _place(draw, data)]


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    at = _place(draw, data)
    return data[:at] + draw(st.binary(min_size=1, max_size=40)) + data[at:]


def _number(draw: st.DrawFn, data: bytes) -> bytes:
    """A number of a text header or a DICOM value becomes another; in a binary header its bytes do."""
    found = list(_NUMBER.finditer(data[:1500]))
    if found:
        one = draw(st.sampled_from(found))
        return data[: one.start()] + draw(st.sampled_from(NUMBERS)).encode() + data[one.end() :]
    at = _place(draw, data)
    word = draw(
        st.sampled_from(
            [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\x80\x7f", b"\0\0\xc0\x7f"]
        )
    )
    return data[:at] + word + data[at + 4 :]


def _remove_line(draw: st.DrawFn, data: bytes) -> bytes:
    lines = data[:2000].split(b"\n")
    lines.pop(draw(st.integers(0, len(lines) - 1)))
    return b"\n".join(lines) + data[2000:]


def _swap(draw: st.DrawFn, data: bytes) -> bytes:
    a, b = sorted((_place(draw, data), _place(draw, data)))
    return data[:a] + data[b : b + 16] + data[a + 16 : b] + data[a : a + 16] + data[b + 16 :]


def _text(draw: st.DrawFn, data: bytes) -> bytes:
    """Letters of other scripts, quotes, line ends and format signs in the midst of the header."""
    at = _place(draw, data)
    word = draw(
        st.sampled_from(["\u00e4\u4e2d", "\\", "\"'", "\r\n", "%s{}", "../..", "\0", "<b>", "\ud800"])
    )
    return data[:at] + word.encode("utf-8", "surrogatepass") + data[at:]


def judge(files: dict[str, bytes], expect: str) -> dict[str, Any] | None:
    """Inspect ``files`` as one input and read what was taken; the answer, or None for a refusal of it all.

    Raises AssertionError for a message that no person should see and for an answer that is none.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"autoseg-fuzz-{os.getpid()}-"))
    try:
        (folder / "input").mkdir()
        for name, data in files.items():
            (folder / "input" / name).write_bytes(data)
        args = {"folder": str(folder / "input"), "work": str(folder / "work"), "expect": expect,
                "options": {"min_slices": 5}}  # fmt: skip
        try:
            paths = [str(path) for path in sorted((folder / "input").iterdir())]
            for row in run_task("examine", {"paths": paths}, no_check)["files"]:  # type: ignore[attr-defined]
                if row["error"]:
                    _check_error(row["error"])
            answer: dict[str, Any] = run_task("inspect", args, no_check)
        except PipelineError as error:
            _check_error(error.to_dict())
            return None
        assert answer["cases"] or answer["refusals"], "nothing was said of the input"
        for refusal in answer["refusals"]:
            _check_error(refusal["error"])
        for case in answer["cases"]:
            _read(case)
        return answer
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(case: dict[str, Any]) -> None:
    """What was accepted can be read, or is refused in words."""
    from AutoSegPipelineLib.processing.read_segmentation import read_segmentation
    from AutoSegPipelineLib.processing.volume import read_volume

    for warning in case["warnings"]:
        _check_error(warning)
    try:
        if case["kind"] == "segmentation":
            read_segmentation(Path(case["path"]), None, case["affine"], case["label"])
        else:
            volume = read_volume(case["path"], case["affine"], case["modality"], case["label"])
            assert list(volume.grid.shape) == case["shape"]
    except Cancelled:
        raise
    except PipelineError as error:
        _check_error(error.to_dict())


def _check_error(error: dict[str, str]) -> None:
    assert error["code"] in CODES, error
    assert error["message"].strip() and not UNSHOWN.search(error["message"]), error
    assert not PYTHON_WORDS.search(error["message"]), error

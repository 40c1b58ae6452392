"""Every written file is opened anew before the case counts as done."""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import PipelineError
from ..core.progress import Report
from .output_files import hash_file

if TYPE_CHECKING:
    from .export import Exporter
    from .result import Output


def verify_outputs(exporter: Exporter, report: Report) -> None:
    """Check each output of ``exporter.result``; raises ``export.verification`` naming the file."""
    outputs = exporter.result.outputs
    for number, output in enumerate(outputs):
        report.progress(number / len(outputs), f"checking {output.name}")
        path = exporter.case.out / output.name
        try:
            _check(exporter, output, path)
        except (OSError, EOFError, ValueError, KeyError, zlib.error, zipfile.BadZipFile) as error:
            raise _wrong(path, f"cannot be read back: {error}") from error
        except PipelineError as error:
            if error.code == "export.verification":
                raise
            raise _wrong(path, error.message) from error


def _wrong(path: Path, why: str) -> PipelineError:
    return PipelineError("export.verification", f"{path.name}: {why}")


def _check(exporter: Exporter, output: Output, path: Path) -> None:
    if path.stat().st_size != output.size or hash_file(path) != output.sha256:
        raise _wrong(path, "has other bytes than were written")
    checks = {
        "gltf": _gltf, "glb": _gltf, "seg": _seg, "labels": _labels, "statistics": _statistics,
        "picture": _picture, "report": _report, "stl": _zip, "obj": _zip,
    }  # fmt: skip
    checks[output.kind](exporter, path)


def _gltf(exporter: Exporter, path: Path) -> None:
    if path.suffix == ".gltf" and "gltf" in exporter.case.given:
        from .writers.gltf_foreign import verify_foreign

        for hint in verify_foreign(path, exporter.surfaces):
            exporter.warn("export.hint", f"{path.name}: {hint}")
        return
    from .writers.gltf_check import verify_gltf

    verify_gltf(path, [surface.segment.name for surface in exporter.surfaces])


def _seg(exporter: Exporter, path: Path) -> None:
    from .read_seg_nrrd import read_seg_nrrd

    wanted = exporter.found.segmentation
    read = read_seg_nrrd(path)
    if [(s.name, s.title, s.layer, s.value) for s in read.segments] != [
        (s.name, s.title, s.layer, s.value) for s in wanted.segments
    ]:
        raise _wrong(path, "names other segments than were written")
    if not np.allclose(read.grid.affine, wanted.grid.affine, rtol=0, atol=1e-6):
        raise _wrong(path, "lies elsewhere than the scan")
    if not all(np.array_equal(a, b) for a, b in zip(read.layers, wanted.layers)):
        raise _wrong(path, "holds other voxels than were written")


def _labels(exporter: Exporter, path: Path) -> None:
    from .nifti_voxels import read_nifti

    array, affine = read_nifti(path)
    if not np.array_equal(array, exporter.flat.labels):
        raise _wrong(path, "holds other voxels than were written")
    # NIfTI keeps 32-bit numbers: at 1000 mm the last digit is 0.00006 mm.
    if not np.allclose(affine, exporter.found.segmentation.grid.affine, rtol=1e-6, atol=1e-3):
        raise _wrong(path, "lies elsewhere than the scan")


def _statistics(exporter: Exporter, path: Path) -> None:
    wanted = [one.name for one in exporter.measured]
    if path.suffix == ".json":
        names = [row["name"] for row in json.loads(path.read_text(encoding="utf-8"))["structures"]]
    else:
        from .writers.statistics import defused

        wanted = [defused(name) for name in wanted]
        with open(path, encoding="utf-8", newline="") as stream:
            names = [row["name"] for row in csv.DictReader(stream)]
    if names != wanted:
        raise _wrong(path, "lists other structures than were measured")


def _picture(exporter: Exporter, path: Path) -> None:
    data = path.read_bytes()
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[-8:-4] != b"IEND":
        raise _wrong(path, "is no whole PNG")


def _report(exporter: Exporter, path: Path) -> None:
    from html import escape

    text = path.read_text(encoding="utf-8")
    if not text.rstrip().endswith("</html>"):
        raise _wrong(path, "ends early")
    for one in exporter.measured:
        if escape(one.title) not in text:
            raise _wrong(path, f"does not name {one.title}")


def _zip(exporter: Exporter, path: Path) -> None:
    from .writers.zips import file_names

    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        names = archive.namelist()
    if damaged is not None:
        raise _wrong(path, f"{damaged} inside it is damaged")
    ending = ".stl" if path.name.endswith(".stl.zip") else ".obj"
    for name in file_names([surface.segment.name for surface in exporter.surfaces]):
        if name + ending not in names:
            raise _wrong(path, f"lacks {name}{ending}")


__all__ = ["verify_outputs"]

"""A DICOM series, what the inspection makes of it, a segmentation of it, and an order for DICOM objects."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pydicom
from AutoSegPipelineLib.core.pacs.object_order import KINDS, BuiltFile, BuiltObjects, ObjectOrder
from AutoSegPipelineLib.core.pacs.uids import object_uid
from AutoSegPipelineLib.core.segmentation import Code, Grid, Segment, Segmentation
from AutoSegPipelineLib.processing.dicom_objects.build import Builder
from AutoSegPipelineLib.processing.measure import measure
from AutoSegPipelineLib.processing.volume import read_volume
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from AutoSegPipelineLib.processing.writers.statistics import write_json

from .intake import field_slices, look, only_case

AXIAL = (1, 0, 0, 0, 1, 0)
ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
KIDNEY, LEFT = Code("SCT", "64033007", "Kidney"), Code("SCT", "7771000", "Left")
LIVER = Code("SCT", "10200004", "Liver")


def even(folder: Path, orientation: Any = AXIAL, count: int = 20, **tags: Any) -> Path:
    """A folder with slices 3 mm apart along their normal."""
    normal = np.cross(orientation[:3], orientation[3:])
    field_slices(
        folder, [np.array((-40.0, -38.0, 10.0)) + 3.0 * n * normal for n in range(count)], orientation, **tags
    )
    return folder


def tilted(folder: Path, degrees: float = 15.0, **tags: Any) -> Path:
    """A folder with slices of a gantry that is tilted about the patient's left-right axis."""
    angle = math.radians(degrees)
    down = (1, 0, 0, 0, math.cos(angle), math.sin(angle))
    field_slices(folder, [np.array((-40.0, -38.0, 10.0 + 3.0 * n)) for n in range(20)], down, **tags)
    return folder


def uneven(folder: Path, **tags: Any) -> Path:
    """A folder with slices 2 mm apart below and 5 mm apart above."""
    heights = [10.0 + 2.0 * n for n in range(10)] + [28.0 + 5.0 * n for n in range(1, 9)]
    places = [np.array((-40.0, -38.0, z)) for z in heights]
    field_slices(folder, places, AXIAL, SliceThickness=lambda n: 2.0 if n < 10 else 5.0, **tags)
    return folder


def points_of(grid: Grid) -> np.ndarray:
    """LPS mm of every voxel, (k, j, i, 3)."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.array_shape), indexing="ij")
    affine = np.array(grid.affine)
    return np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]


def shapes_at(points: np.ndarray, middle: np.ndarray) -> dict[str, np.ndarray]:
    """Which points (..., 3) in LPS mm lie in each of three bodies about ``middle``; without symmetry."""
    away = points - middle
    return {
        "liver": np.linalg.norm(away - (-9.3, 4.1, 2.2), axis=-1) < 15.7,
        "kidney_left": np.linalg.norm(away - (16.4, -7.7, -4.9), axis=-1) < 9.4,
        "körper": np.linalg.norm(away - (1.0, 0.5, 0.3), axis=-1) < 31.3,
    }


def segmentation_on(grid: Grid, names: Sequence[str] = ("liver", "kidney_left")) -> Segmentation:
    """Liver and kidney in one layer, the body, where it is named, around them in another one."""
    points = points_of(grid)
    at = shapes_at(points, points.reshape(-1, 3).mean(axis=0))
    organs = np.zeros(grid.array_shape, np.uint8)
    organs[at["liver"]], organs[at["kidney_left"]] = 5, 2
    segments = [
        Segment(0, 5, "liver", "Liver", (0.8, 0.4, 0.3), "organs", category=ANATOMY, code=LIVER),
        Segment(0, 2, "kidney_left", "Left kidney", (0.7, 0.3, 0.2), "organs", 1, category=ANATOMY,
                code=KIDNEY, modifier=LEFT),
        Segment(0, 9, "nothing", "Nothing", (0.1, 0.2, 0.3)),
    ]  # fmt: skip
    layers = [organs]
    if "körper" in names:
        layers.append(at["körper"].astype(np.uint8))
        segments.append(Segment(1, 1, "körper", "Körper", (0.9, 0.7, 0.6), "tissue", opacity=0.3))
    return Segmentation(grid, layers, tuple(segments))


@dataclass
class Result:
    """A series that was inspected and segmented, with the files of its results in ``folder``."""

    series: Path
    folder: Path
    case: dict[str, Any]
    segmentation: Segmentation

    @property
    def slices(self) -> list[pydicom.Dataset]:
        """The source's files."""
        return [pydicom.dcmread(path) for path in sorted(self.series.iterdir())]

    def order(self, *kinds: str, **more: Any) -> ObjectOrder:
        """An order of ``kinds`` to a folder of its own."""
        self.folder.mkdir(exist_ok=True)
        number = len(list(self.folder.iterdir()))
        out = self.folder / f"objects-{number}"
        out.mkdir()
        uids = {kind: object_uid("secret", "job", 1, kind) for kind in KINDS}
        return ObjectOrder(
            headers=str(Path(self.case["path"]).with_name("headers.zip")),
            segmentation=str(self.folder / "a.seg.nrrd"), manifest=str(self.folder / "a.manifest.json"),
            statistics=str(self.folder / "a.statistics.json"), stl=str(self.folder / "a.stl.zip"),
            picture=str(self.folder / "a.png"), out=str(out), kinds=list(kinds), uids=uids, **more,
        )  # fmt: skip

    def build(self, *kinds: str, **more: Any) -> BuiltObjects:
        """The objects of :meth:`order`."""
        return Builder(self.order(*kinds, **more)).build()


def result_of(series: Path, names: Sequence[str] = ("liver", "kidney_left")) -> Result:
    """Inspect a series and segment it."""
    case = only_case(look(series))
    volume = read_volume(Path(case["path"]))
    segmentation = segmentation_on(volume.grid, names)
    folder = series.with_name(series.name + ".results")
    folder.mkdir()
    write_seg_nrrd(folder / "a.seg.nrrd", segmentation)
    measured = measure(segmentation, volume)
    write_json(folder / "a.statistics.json", measured, volume.grid, "HU", {one.name: "" for one in measured})
    manifest = {
        "created": "2026-11-29T12:34:56Z", "input": {"sha256": case["sha256"]},
        "engines": [
            {"name": "totalsegmentator", "version": "2.12.0", "task": "total:fast,body:fast", "device": "cpu",
             "weights": {"total": "1a2b3c", "body": ""}, "structures": ["liver", "kidney_left"]},
            {"name": "tissue", "version": "0.1.0", "task": "tissue", "structures": ["körper"]},
        ],
    }  # fmt: skip
    (folder / "a.manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Result(series, folder, case, segmentation)


def only(built: BuiltObjects, kind: str) -> pydicom.Dataset:
    """The one object of a kind."""
    (found,) = [one for one in built.files if one.kind == kind]
    return pydicom.dcmread(found.path)


def errors_of(file: BuiltFile | Path) -> list[str]:
    """What dciodvfy calls an error in an object."""
    path = file if isinstance(file, Path) else Path(file.path)
    done = subprocess.run(
        ["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False
    )
    said = (done.stdout + done.stderr).splitlines()
    return [line for line in said if line.startswith("Error")]

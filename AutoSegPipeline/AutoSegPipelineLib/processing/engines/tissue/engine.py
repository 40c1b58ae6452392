"""Segmentation of CT without a model, in seconds.

Shapes (body, lungs, bones, muscle wall) are found on a coarse straight copy of
the scan, then every voxel of the scan itself is decided by its own HU within
them; so edges are as sharp as the scan and the work stays small.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.errors import EngineFailed
from ....core.progress import Report
from ....core.segmentation import Segment, Segmentation
from ....core.specs import did_you_mean
from ...volume import Volume
from ..base import Check, Task, structures_absent
from ..structures import STRUCTURES, structure_segment
from .body import find_body
from .frame import Frame, make_frame
from .intensities import check_hounsfield
from .labels import LAYER, RANGES, Shapes, label_voxels
from .lungs import find_air
from .wall import find_bones, find_inner, find_midline, find_muscle_zone

CLASSES = ("body", *LAYER)
_TARGET_MM = {"normal": 3.0, "fast": 4.0, "fastest": 5.0}
_TASK = "tissue"
_TITLE = "Body, lungs, airways, bones, muscle and fat"


class TissueEngine:
    """Body, lungs, airways, bones, muscle and fat of a CT in Hounsfield units."""

    name = "tissue"
    title = "Tissues by Hounsfield units (no model)"
    rank = 10

    def tasks(self) -> list[Task]:
        return [Task(_TASK, _TITLE, "CT", CLASSES, default=True, aliases=("total",))]

    def facts(self) -> dict[str, object]:
        """It computes on the CPU, whatever is asked for."""
        return {"gpus": 0, "device": dict.fromkeys(("auto", "gpu", "mps"), "cpu")}

    def check(self) -> Check:
        return Check(True, note="needs no model; knows tissues, not single organs")

    def segment(self, volume: Volume, options: dict[str, object], report: Report) -> Segmentation:
        """See :class:`~..base.Engine`. Left and right follow from the grid's LPS affine."""
        name = volume.name
        wanted = _wanted(options)
        _check_modality(volume, name)
        check_hounsfield(volume.array, name)
        _note_device(options, report)
        report.progress(0.02, "reading the intensities")
        frame = make_frame(volume, _TARGET_MM[str(options.get("quality") or "normal")])
        shapes = _find_shapes(frame, name, report)

        def step(fraction: float) -> None:
            report.check()
            report.progress(0.6 + 0.38 * fraction, "labelling the voxels")

        body, tissue = label_voxels(volume, frame, shapes, step)
        result = _assemble(volume, body, tissue, wanted, shapes)
        report.progress(1.0, f"found {len(result.segments)} structures")
        return result


def _find_shapes(frame: Frame, name: str, report: Report) -> Shapes:
    def step(fraction: float, message: str) -> None:
        report.check()
        report.progress(fraction, message)

    step(0.1, "finding the body")
    body, cut = find_body(frame, name)
    step(0.2, "finding bones")
    bones = find_bones(frame, body)
    midline = find_midline(frame, bones, body)
    step(0.3, "finding lungs and airways")
    air = find_air(frame, body, midline, cut)
    step(0.45, "finding the muscle wall")
    lungs = air.left | air.right
    inner = find_inner(frame, body, bones, lungs | air.airways | air.gas)
    step(0.55, "telling muscle from organs")
    return Shapes(body, air, bones, inner, find_muscle_zone(frame, inner, bones, lungs | air.gas, midline))


def _assemble(
    volume: Volume, body: np.ndarray, tissue: np.ndarray, wanted: tuple[str, ...], shapes: Shapes
) -> Segmentation:
    """Layer 0 the body, layer 1 the tissues; what was not asked for or is empty is left out."""
    counts = np.zeros(len(LAYER) + 1, np.int64)
    for plane in tissue:  # numpy would count a copy of eight bytes a voxel
        counts += np.bincount(plane.ravel(), minlength=len(counts))
    found = {name: int(counts[value]) for value, name in enumerate(LAYER, start=1)}
    found["body"] = int(np.count_nonzero(body))
    warnings = list(shapes.air.warnings) if {"lung_left", "lung_right"} & set(wanted) else []
    present = [name for name in CLASSES if name in wanted and found[name]]
    layers: list[np.ndarray] = []
    segments: list[Segment] = []
    if "body" in present:
        segments.append(structure_segment("body", len(layers), 1))
        layers.append(body)
    inside = [name for name in present if name != "body"]
    if inside:
        keep = np.zeros(len(LAYER) + 1, np.uint8)
        for name in inside:
            value = LAYER.index(name) + 1
            keep[value] = value
            segments.append(structure_segment(name, len(layers), value))
        layers.append(tissue if len(inside) == len(LAYER) else keep[tissue])
    missing = [name for name in CLASSES if name in wanted and not found[name]]
    warnings += structures_absent([STRUCTURES[name].title.lower() for name in missing])
    if shapes.muscle is None and {"muscle", "soft_tissue"} & set(wanted):
        warnings.append(
            {
                "code": "engine.muscle_not_separated",
                "message": "Neither trunk nor limb was recognised, so muscle was not separated from "
                "other soft tissue.",
            }
        )
    ranges = {name: limits for name, limits in RANGES.items() if name in present}
    return Segmentation(volume.grid, layers, tuple(segments), warnings, {"intensity_ranges": ranges})


def _wanted(options: dict[str, Any]) -> tuple[str, ...]:
    task = str(options.get("task") or "")
    if task not in ("", "total", _TASK):
        raise EngineFailed(
            "engine.task_unknown",
            f"the tissue engine has no task {task!r} (it has: {_TASK}){did_you_mean(task, [_TASK])}",
        )
    chosen = [str(name).strip().casefold() for name in options.get("structures") or ()]
    for name in chosen:
        if name not in CLASSES:
            raise EngineFailed(
                "engine.structure_unknown",
                f"the tissue engine has no structure {name!r} (it has: {', '.join(CLASSES)})"
                f"{did_you_mean(name, CLASSES)}",
            )
    return tuple(name for name in CLASSES if name in chosen) if chosen else CLASSES


def _check_modality(volume: Volume, name: str) -> None:
    if volume.modality not in ("", "CT"):
        raise EngineFailed(
            "engine.wrong_modality", f"{name} is {volume.modality}; the tissue engine takes CT in HU"
        )


def _note_device(options: dict[str, object], report: Report) -> None:
    device = str(options.get("device") or "auto")
    if device not in ("auto", "cpu"):
        report.log(f"device {device} was asked for, but the tissue engine computes on the CPU", "warning")

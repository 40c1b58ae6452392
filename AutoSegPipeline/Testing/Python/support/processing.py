"""Small segmentations and cases for the tests of the processing room."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from AutoSegPipelineLib.core.errors import Cancelled
from AutoSegPipelineLib.core.segmentation import Code, Grid, Segment, Segmentation


def rotation(degrees: float, axis: int = 2) -> np.ndarray:
    """A rotation about one axis."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    first, second = [n for n in range(3) if n != axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = c
    matrix[first, second], matrix[second, first] = -s, s
    return matrix


def grid(shape, directions=None, spacing=(2.0, 2.0, 3.0), origin=(-30.0, 12.5, 80.0)) -> Grid:
    """A grid with these unit columns (index to LPS)."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if directions is None else directions) * np.asarray(spacing)
    affine[:3, 3] = origin
    return Grid(tuple(shape), tuple(tuple(float(x) for x in row) for row in affine))


DIRECTIONS = {
    "straight": np.eye(3),
    "flipped": np.diag([-1.0, -1.0, 1.0]),
    "left-handed": np.diag([-1.0, 1.0, 1.0]),
    "permuted": np.eye(3)[:, [2, 0, 1]],
    "oblique": rotation(25, 0) @ rotation(-40, 2),
    "oblique left-handed": rotation(25, 0) @ rotation(-40, 2) @ np.diag([1.0, -1.0, 1.0]),
}

SCT = {
    "structure": Code("SCT", "123037004", "Anatomical Structure"),
    "lung": Code("SCT", "39607008", "Lung"),
    "left": Code("SCT", "7771000", "Left"),
}


def two_layers(on: Grid) -> Segmentation:
    """Body (layer 0) around a lung and a bone (layer 1), off centre along each axis."""
    k, j, i = on.array_shape
    body = np.zeros(on.array_shape, np.uint8)
    body[1 : k - 1, 1 : j - 2, 2 : i - 1] = 1
    inner = np.zeros(on.array_shape, np.uint8)
    inner[2 : k // 2, 3 : j // 2, 3 : i // 3] = 1
    inner[k // 2 : k - 2, 3 : j // 2, i // 2 : i - 3] = 7
    return Segmentation(
        on,
        [body, inner],
        (
            Segment(0, 1, "body", "Body", (0.9, 0.7, 0.6), "tissue", 0, 0.25),
            Segment(
                1, 1, "lung_left", "Left lung", (0.2, 0.4, 0.8), "organs", 40, 1.0,
                SCT["structure"], SCT["lung"], SCT["left"],
            ),
            Segment(1, 7, "bones", "Bones & <co> \u00e4", (1.0, 0.5, 0.25), "bones", 60),
        ),
    )  # fmt: skip


def centroid_ras(segmentation: Segmentation, segment: Segment) -> np.ndarray:
    """Straight from the definition: the mean of the voxels' centres."""
    k, j, i = np.nonzero(segmentation.layers[segment.layer] == segment.value)
    lps = np.asarray(segmentation.grid.affine) @ [i.mean(), j.mean(), k.mean(), 1.0]
    return np.array([-lps[0], -lps[1], lps[2]])


def case_message(path: Path, folder: Path, **more) -> dict:
    """A case as the pipeline sends it."""
    return {
        "kind": "scan", "path": str(path), "affine": None, "modality": "CT", "label": "case", "stem": "case",
        "options": {}, "out": str(folder / "out"), "work": str(folder / "work"),
        "labels": None, "reuse": None, "keep": None, "source": {"format": "nifti"}, **more,
    }  # fmt: skip


class Recorder:
    """A report that remembers; cancels at the nth call of ``check`` or ``progress``."""

    def __init__(self, cancel_at: str = "") -> None:
        self.stages: list[str] = []
        self.fractions: list[float] = []
        self.lines: list[str] = []
        self.cancel_at = cancel_at

    def stage(self, state: str, message: str = "") -> None:
        self.stages.append(state)
        self._maybe(f"{state} {message}")

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)
        self._maybe(message)

    def log(self, text: str, level: str = "info") -> None:
        self.lines.append(text)

    def check(self) -> None:
        return

    def _maybe(self, text: str) -> None:
        if self.cancel_at and self.cancel_at in text:
            raise Cancelled()

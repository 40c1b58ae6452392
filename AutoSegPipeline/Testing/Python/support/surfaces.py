"""Label maps, measures and the Khronos validator, for tests of surfaces and mesh files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
from AutoSegPipelineLib.core.segmentation import Code, Grid, Segment, Segmentation

HERE = Path(__file__).resolve().parent
GROUPS = ("organs", "bones", "vessels")

# Voxel index to LPS mm. Each names a way in which scans really arrive.
AFFINES = {
    "straight": np.diag([1.5, 1.5, 1.5, 1.0]),
    "anisotropic": np.diag([0.8, 0.8, 2.5, 1.0]),
    "flipped": np.diag([-1.5, -1.5, 1.5, 1.0]),
    "left_handed": np.diag([1.5, 1.5, -1.5, 1.0]),
    "permuted": np.array([[0, 0, 1.5, 0], [1.5, 0, 0, 0], [0, 1.5, 0, 0], [0, 0, 0, 1.0]]),
}


def _oblique() -> np.ndarray:
    a, b = np.radians(25.0), np.radians(-15.0)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ np.diag([0.9, 0.9, 1.6])
    return affine


AFFINES["oblique"] = _oblique()
for _number, _affine in enumerate(AFFINES.values()):
    _affine[:3, 3] = (-120.0 + 30 * _number, 40.0, -900.0)


def grid(shape_kji: tuple[int, int, int], affine: np.ndarray) -> Grid:
    """A grid for an array of shape (k, j, i)."""
    rows = tuple(tuple(float(x) for x in row) for row in affine)
    return Grid(tuple(reversed(shape_kji)), rows)


def segmentation(
    layers: list[np.ndarray], affine: np.ndarray, names: dict[int, str] | None = None
) -> Segmentation:
    """A segmentation with one segment for each value that occurs, or for each of ``names`` in layer 0."""
    segments = []
    for number, layer in enumerate(layers):
        values = list(names) if names and number == 0 else [int(v) for v in np.unique(layer) if v]
        for value in values:
            name = names[value] if names and number == 0 else f"part_{number}_{value}"
            colour = (0.2 + 0.07 * (value % 10), 0.8 - 0.05 * (value % 10), 0.5)
            code = Code("SCT", str(1000 + value), name)
            group = GROUPS[value % len(GROUPS)]
            opacity = 0.4 if name == "see_through" else 1.0
            title = name.replace("_", " ").capitalize()
            segments.append(Segment(number, value, name, title, colour, group, 0, opacity, code=code))
    return Segmentation(grid(layers[0].shape, affine), layers, tuple(segments))


def ball(
    shape_kji: tuple[int, int, int], affine: np.ndarray, radius_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """A ball about the middle of the volume but off any voxel's centre: labels, centre in LPS mm."""
    centre_index = (np.array(shape_kji[::-1]) - 1) / 2.0 + (0.2, -0.3, 0.15)
    centre = affine[:3, :3] @ centre_index + affine[:3, 3]
    k, j, i = np.indices(shape_kji)
    points = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    return (np.linalg.norm(points - centre, axis=-1) <= radius_mm).astype(np.uint8), centre


def blobs(shape_kji: tuple[int, int, int], count: int, seed: int = 0) -> np.ndarray:
    """``count`` bumpy bodies of many sizes that touch, cut and enclose each other, uint8 (k, j, i)."""
    random = np.random.default_rng(seed)
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape_kji), indexing="ij", sparse=True)
    labels = np.zeros(shape_kji, np.uint8)
    size = np.array(shape_kji)
    for value in sorted(range(1, count + 1), reverse=True):
        radii = size * (0.04 + 0.22 * random.uniform(0.0, 1.0) ** 2) * random.uniform(0.6, 1.5, 3)
        middle = size * random.uniform(0.2, 0.8, 3)
        far = sum(((axis - m) / r) ** 2 for axis, m, r in zip((k, j, i), middle, radii))
        labels[far + 0.2 * np.sin(i / 6.0 + value) * np.sin(j / 8.0) * np.sin(k / 5.0) < 1.0] = value
    return labels


def voxel_ml(made: Segmentation) -> dict[str, float]:
    """Volume of each segment's voxels in ml."""
    return {s.name: int((made.layers[s.layer] == s.value).sum()) * made.grid.voxel_ml for s in made.segments}


def edges_with_two_faces(triangles: np.ndarray) -> bool:
    """The plain definition of closed and consistently oriented, counted without the library's own code."""
    count: dict[tuple[int, int], list[int]] = {}
    for a, b, c in triangles.tolist():
        for start, end in ((a, b), (b, c), (c, a)):
            count.setdefault((min(start, end), max(start, end)), []).append(1 if start < end else -1)
    return bool(count) and all(sorted(faces) == [-1, 1] for faces in count.values())


def node_modules() -> Path:
    """Where ``gltf-validator`` lies: $AUTOSEG_TEST_NODE_MODULES or Testing/node_modules."""
    named = os.environ.get("AUTOSEG_TEST_NODE_MODULES")
    return Path(named) if named else HERE.parents[1] / "node_modules"


def validator_issues(path: Path) -> list[dict[str, object]]:
    """Every message, of any severity, that the Khronos glTF validator has about ``path``."""
    node, modules = shutil.which("node"), node_modules()
    if node is None or not (modules / "gltf-validator").is_dir():
        raise AssertionError(
            "The Khronos glTF validator is missing: install Node.js and run "
            "`npm ci --prefix AutoSegPipeline/Testing`, or point AUTOSEG_TEST_NODE_MODULES to a "
            "node_modules folder that has gltf-validator."
        )
    runner = HERE / "validate_gltf.js"
    command = [node, str(runner), str(modules.resolve()), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise AssertionError(f"the validator failed: {done.stderr}")
    report = json.loads(done.stdout)
    assert report["info"]["totalVertexCount"] > 0
    return list(report["issues"]["messages"])

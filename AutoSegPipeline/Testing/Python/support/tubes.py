"""Tilted tubes, as thin as ribs and vessels, and how true a surface of one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

import numpy as np

SPACINGS = ((3.0, 3.0, 3.0), (1.5, 1.5, 1.5), (0.8, 0.8, 3.0))
DIAMETERS = (4.0, 6.0, 10.0)  # mm
DIRECTIONS = ((1.0, 0.35, 0.45), (0.5, 1.0, 0.3), (0.3, 0.4, 1.0), (0.7, 0.6, 0.5))
LENGTH = 80.0  # mm


@dataclass(frozen=True, eq=False)
class Tube:
    """``labels`` uint8 (k, j, i): 1 where a voxel's centre is in the tube; ``middle`` in mm from voxel 0."""

    labels: np.ndarray
    spacing: tuple[float, float, float]
    diameter: float
    middle: np.ndarray
    axis: np.ndarray

    @property
    def affine(self) -> np.ndarray:
        return np.diag([*self.spacing, 1.0])

    @property
    def voxel(self) -> float:
        """Edge in mm of a cube as large as a voxel."""
        return float(np.prod(self.spacing) ** (1.0 / 3.0))


@dataclass(frozen=True)
class Truth:
    """``volume`` as a part of the voxels'; the rest is of the tube without its ends.

    ``distance`` of the points from the true surface, mean, in voxels; ``faces`` mean angle in degrees between
    the triangles and the true surface, by area; ``shading`` the same of the normals that are written.
    """

    volume: float
    distance: float
    faces: float
    shading: float


def nine() -> Iterator[tuple[tuple[float, float, float], float]]:
    """Each spacing with each diameter."""
    for spacing in SPACINGS:
        for diameter in DIAMETERS:
            yield spacing, diameter


def tube(spacing: tuple[float, float, float], diameter: float, direction: tuple[float, ...]) -> Tube:
    """A straight tube of :data:`LENGTH`, off any voxel's centre."""
    axis = np.array(direction) / np.linalg.norm(direction)
    shape = np.ceil((np.abs(axis) * LENGTH + 2 * diameter) / spacing).astype(int) + 4
    middle = ((shape - 1) / 2.0 + (0.21, -0.17, 0.11)) * spacing
    k, j, i = np.indices(tuple(shape[::-1]))
    points = np.stack([i, j, k], axis=-1) * np.array(spacing) - middle
    along = points @ axis
    away = np.linalg.norm(points - along[..., None] * axis, axis=-1)
    labels = ((away <= diameter / 2) & (np.abs(along) <= LENGTH / 2)).astype(np.uint8)
    return Tube(labels, spacing, diameter, middle, axis)


def truth(found: Tube, points: np.ndarray, triangles: np.ndarray, normals: np.ndarray) -> Truth:
    """How true a surface (mm from voxel 0) with its ``normals`` is to the tube."""
    places = points.astype(np.float64) - found.middle
    a, b, c = (places[triangles[:, corner]] for corner in range(3))
    areas = np.cross(b - a, c - a) / 2.0
    volume = np.einsum("ij,ij->", areas, a) / 3.0
    size = np.linalg.norm(areas, axis=1)
    end = LENGTH / 2 - max(found.diameter, 2 * max(found.spacing))
    inner = (np.abs((a + b + c) @ found.axis / 3.0) < end) & (size > 1e-9)
    faces = _angles(areas[inner], _outward(found, (a + b + c)[inner] / 3.0))
    within = np.abs(places @ found.axis) < end
    outward = _outward(found, places[within])
    return Truth(
        float(volume / (found.labels.sum() * np.prod(found.spacing))),
        float(np.abs(np.linalg.norm(outward, axis=1) - found.diameter / 2).mean() / found.voxel),
        float(np.average(faces, weights=size[inner])),
        float(_angles(normals[within], outward).mean()),
    )


def mean_truth(found: list[Truth]) -> Truth:
    """Of several tubes the means."""
    rows = np.mean([(one.volume, one.distance, one.faces, one.shading) for one in found], axis=0)
    return Truth(*(float(value) for value in rows))


def _outward(found: Tube, places: np.ndarray) -> np.ndarray:
    return places - (places @ found.axis)[:, None] * found.axis


def _angles(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = np.einsum("ij,ij->i", one, other) / np.maximum(lengths, 1e-12)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))

"""What a surface is: a closed triangle mesh of one segment, in LPS millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ...core.segmentation import Segment


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed mesh of one segment.

    ``points`` float32 (n, 3) in LPS mm; ``triangles`` int32 (m, 3), counter-clockwise
    seen from outside; ``normals`` float32 (n, 3), outward, of length one.
    """

    segment: Segment
    points: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray

    @property
    def volume_ml(self) -> float:
        """Enclosed volume in millilitres."""
        return signed_volume(self.points, self.triangles) / 1000.0

    @property
    def is_closed(self) -> bool:
        """Whether each edge belongs to exactly two triangles, once in each direction."""
        return is_closed(self.triangles)


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Row by row cross product of (m, 3) arrays; several times as fast as ``numpy.cross``."""
    out = np.empty_like(u)
    for axis, (one, two) in enumerate(((1, 2), (2, 0), (0, 1))):
        np.multiply(u[:, one], v[:, two], out=out[:, axis])
        out[:, axis] -= u[:, two] * v[:, one]
    return out


def signed_volume(points: np.ndarray, triangles: np.ndarray) -> float:
    """Volume (unit of ``points`` cubed) by the divergence theorem; positive when normals point outward."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    a, b, c = (centred[triangles[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", a, cross(b, c)) / 6.0)


def centroid(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Centre of mass of the solid inside a closed mesh, shape (3,)."""
    middle = points.mean(axis=0, dtype=np.float64)
    a, b, c = (points[triangles[:, corner]].astype(np.float64) - middle for corner in range(3))
    parts = np.einsum("ij,ij->i", a, cross(b, c))
    return middle + (parts[:, None] * (a + b + c)).sum(axis=0) / (4.0 * parts.sum())


def half_edges(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and end vertex of each directed edge, corner by corner: edge ``e`` is of face ``e % m``."""
    starts = triangles.T.reshape(-1).astype(np.int64)
    ends = triangles[:, [1, 2, 0]].T.reshape(-1).astype(np.int64)
    return starts, ends


def is_closed(triangles: np.ndarray) -> bool:
    """Whether each undirected edge has exactly two faces that run through it in opposite directions."""
    if len(triangles) == 0:
        return False
    starts, ends = half_edges(triangles)
    size = int(triangles.max()) + 1
    forward = np.sort(starts * size + ends)
    if bool((starts == ends).any()) or bool((forward[1:] == forward[:-1]).any()):
        return False
    return bool(np.array_equal(forward, np.sort(ends * size + starts)))


def vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted outward unit normals, float32 (n, 3)."""
    a, b, c = (points.take(triangles[:, corner], axis=0).astype(np.float64) for corner in range(3))
    areas = cross(b - a, c - a)
    corners = triangles.T.reshape(-1)
    normals = np.empty((len(points), 3))
    for axis in range(3):
        normals[:, axis] = np.bincount(corners, np.tile(areas[:, axis], 3), len(points))
    lengths = np.linalg.norm(normals, axis=1)
    normals[lengths < 1e-12] = (0.0, 0.0, 1.0)  # a vertex without any area still needs a unit vector
    normals /= np.maximum(np.linalg.norm(normals, axis=1), 1e-12)[:, None]
    return np.asarray(normals, np.float32)

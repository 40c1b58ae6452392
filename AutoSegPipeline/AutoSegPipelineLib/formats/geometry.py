"""Arithmetic of affines, which map the index (i, j, k) to LPS mm, and of vectors."""

from __future__ import annotations

import math
from typing import Sequence

from ..core.segmentation import Affine

Vector = Sequence[float]


def make_affine(columns: Sequence[Vector], origin: Vector) -> Affine:
    """Rows of the 4x4 from the steps along i, j, k and the centre of voxel (0, 0, 0)."""
    rows = [
        (float(columns[0][r]), float(columns[1][r]), float(columns[2][r]), float(origin[r])) for r in range(3)
    ]
    return (rows[0], rows[1], rows[2], (0.0, 0.0, 0.0, 1.0))


def ras_to_lps(affine: Affine) -> Affine:
    """The same mapping with x and y turned round; its own inverse."""
    x, y, z, last = affine
    return (_negated(x), _negated(y), z, last)


def _negated(row: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    a, b, c, d = (0.0 - value for value in row)
    return (a, b, c, d)


def scaled(affine: Affine, factor: float) -> Affine:
    """In other units: every length times ``factor``."""
    rows = [tuple(value * factor for value in row) for row in affine[:3]]
    x, y, z = ((row[0], row[1], row[2], row[3]) for row in rows)
    return (x, y, z, (0.0, 0.0, 0.0, 1.0))


def column(affine: Affine, axis: int) -> tuple[float, float, float]:
    """The step along one index axis in mm."""
    return (affine[0][axis], affine[1][axis], affine[2][axis])


def length(vector: Vector) -> float:
    """Euclidean."""
    return math.sqrt(sum(x * x for x in vector))


def dot(a: Vector, b: Vector) -> float:
    """Inner product."""
    return sum(x * y for x, y in zip(a, b))


def cross(a: Vector, b: Vector) -> tuple[float, float, float]:
    """Outer product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """Edge lengths of a voxel in mm."""
    return (length(column(affine, 0)), length(column(affine, 1)), length(column(affine, 2)))


def is_finite(affine: Affine) -> bool:
    """No NaN, no infinity, and nothing so large that a product overflows."""
    return all(math.isfinite(value) and abs(value) < 1e9 for row in affine for value in row)


def is_singular(affine: Affine) -> bool:
    """An axis without length, or axes that lie in one plane."""
    edges = spacing_of(affine)
    if min(edges) < 1e-6:
        return True
    volume = abs(dot(cross(column(affine, 0), column(affine, 1)), column(affine, 2)))
    return volume < 1e-3 * edges[0] * edges[1] * edges[2]


def shear_of(affine: Affine) -> float:
    """Largest cosine between two index axes; 0 for a rectangular grid."""
    edges = spacing_of(affine)
    pairs = ((0, 1), (0, 2), (1, 2))
    return max(abs(dot(column(affine, a), column(affine, b))) / (edges[a] * edges[b]) for a, b in pairs)


def corners(affine: Affine, shape: Sequence[int]) -> list[tuple[float, float, float]]:
    """LPS mm of the centres of the eight corner voxels."""
    found = []
    for number in range(8):
        index = [(shape[axis] - 1) if number >> axis & 1 else 0 for axis in range(3)]
        x, y, z = (dot(affine[r][:3], index) + affine[r][3] for r in range(3))
        found.append((x, y, z))
    return found


def furthest(a: Affine, b: Affine, shape: Sequence[int]) -> float:
    """Largest distance in mm between the same corner under two affines."""
    pairs = zip(corners(a, shape), corners(b, shape))
    return max(length([p - q for p, q in zip(one, other)]) for one, other in pairs)


def assumed_affine(letters: str, spacing: Vector) -> Affine:
    """Axes along the letters' directions (``RAS``: i grows to the right ...), origin at 0."""
    towards = {"L": (0, 1.0), "R": (0, -1.0), "P": (1, 1.0), "A": (1, -1.0), "S": (2, 1.0), "I": (2, -1.0)}
    columns = []
    for letter, step in zip(letters, spacing):
        axis, sign = towards[letter]
        vector = [0.0, 0.0, 0.0]
        vector[axis] = sign * abs(step)
        columns.append(vector)
    return make_affine(columns, (0.0, 0.0, 0.0))

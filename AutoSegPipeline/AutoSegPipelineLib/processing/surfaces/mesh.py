"""The shared mesh while it is shaped: triangles with a label on each side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .net import Net
from .order import order_of


@dataclass(frozen=True, eq=False)
class Mesh:
    """``points`` float64 (n, 3); ``triangles`` int32 (m, 3), normals pointing from side 0 into side 1.

    ``sides`` (m, 2) are labels, 0 being outside. Points are in mm along the
    patient's axes, relative to some origin near the structures.
    """

    points: np.ndarray
    triangles: np.ndarray
    sides: np.ndarray


def triangulate(net: Net, points: np.ndarray, mirrored: bool) -> Mesh:
    """``net`` at ``points`` (n, 3), each quad cut along its shorter diagonal.

    ``mirrored`` says that ``points`` are in axes of the other handedness.
    Triangles follow the order of their lowest point: simplifying walks through
    memory in that order, and it is the same on every machine.
    """
    one, two, three, four = net.quads.T
    order = order_of(np.minimum(np.minimum(one, two), np.minimum(three, four)))
    quads, sides = net.quads.take(order, axis=0), net.sides.take(order, axis=0)
    if mirrored:
        quads = quads[:, ::-1]
    first, second = (
        points.take(quads[:, corner], axis=0) - points.take(quads[:, corner + 2], axis=0) for corner in (0, 1)
    )
    turn = np.einsum("ij,ij->i", first, first) > np.einsum("ij,ij->i", second, second)
    quads = np.where(turn[:, None], quads[:, [1, 2, 3, 0]], quads)
    triangles = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    whole = Mesh(points, triangles, np.repeat(sides, 2, axis=0))
    return without_degenerate(whole)


def without_degenerate(mesh: Mesh) -> Mesh:
    """``mesh`` without triangles that lost a corner and without points that nothing uses."""
    triangles, sides = mesh.triangles, mesh.sides
    one, two, three = triangles.T
    whole = (one != two) & (two != three) & (three != one)
    if not whole.all():
        triangles, sides = triangles.compress(whole, axis=0), sides.compress(whole, axis=0)
    used = np.zeros(len(mesh.points), bool)
    used[triangles] = True
    if used.all():
        return Mesh(mesh.points, triangles, sides)
    number = np.cumsum(used, dtype=np.int32) - 1
    return Mesh(mesh.points[used], number.take(triangles), sides)


def wall_counts(sides: np.ndarray, count: int) -> np.ndarray:
    """How many faces have label s first and t second, (count + 1, count + 1)."""
    size = count + 1
    names = sides[:, 0].astype(np.int64) * size + sides[:, 1]
    return np.bincount(names, minlength=size * size).reshape(size, size)

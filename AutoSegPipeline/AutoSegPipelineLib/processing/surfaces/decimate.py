"""Fewer triangles on the shared mesh, walls between neighbours included.

The simplifier (S. Forstmann's fast quadric edge collapse) sees all structures
as one mesh. Its collapses are replayed here to learn which triangle became
which, because it does not carry labels. Contracting edges maps closed surfaces
to closed surfaces, so each structure stays closed and keeps fitting its
neighbours; where a surface is pinched, ``split`` takes it apart again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .mesh import Mesh, without_degenerate

# The simplifier works through error thresholds in squared units of the points. In units of the
# voxel times SCALE it reaches the useful ones after few passes over the mesh; GROWTH is the power
# with which they rise.
SCALE, GROWTH = 0.05, 8.0
EVEN = 2.0  # the same power where the error has a bound
# Triangles that the simplifier gets at once when it goes by error.
PIECE = 1_000_000
_EPSILON = float(np.finfo(np.float64).eps)  # the error that its mode "lossless" allows
_ASKED = {"agg": GROWTH, "return_collapses": True, "preserve_border": True}


def simplifier_is_there() -> bool:
    """Whether ``fast_simplification`` can be imported and can do what :func:`decimate` asks of it.

    Release 0.1.13, the one for Python 3.15, cannot keep a border. A signature
    would not tell: releases from 0.2 on hide theirs behind a wrapper.
    """
    try:
        import fast_simplification
    except ImportError:
        return False
    corners = np.vstack([np.zeros(3), np.eye(3)])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    try:
        fast_simplification.simplify(corners, faces, target_count=4, lossless=True, **_ASKED)
    except TypeError:
        return False
    return True


def decimate(mesh: Mesh, frozen: np.ndarray, target: int, voxel: float) -> Mesh:
    """``mesh`` with about ``target`` triangles beside the ``frozen`` (m,) ones, which stay as they are.

    ``voxel`` is the shortest edge of a voxel in mm. The same object when nothing was done.
    """
    free = mesh.triangles[~frozen]
    if target >= len(free):
        return mesh
    found = _simplified(mesh.points * (SCALE / voxel), free, target_count=max(int(target), 4))
    if found is None:
        return mesh
    became, moved, points = found
    return _renewed(mesh, became, moved, points * (voxel / SCALE))


def decimate_within(mesh: Mesh, frozen: np.ndarray, target: int, bound: float) -> Mesh:
    """As :func:`decimate`, but with more than ``target`` triangles where the error would exceed ``bound`` mm.

    :func:`decimate` lets the error grow without end when it cannot reach its target. Here it rises in a
    hundred even steps, of which the last one is ``bound``, so the cheapest edges go first.
    """
    free = mesh.triangles[~frozen]
    if target >= len(free):
        return mesh
    scale = (1e-9 * 102.0**EVEN) ** 0.5 / bound  # the simplifier's own schedule, and where it ends
    found = _simplified(mesh.points * scale, free, target_count=max(int(target), 4), agg=EVEN)
    if found is None:
        return mesh
    became, moved, points = found
    return _renewed(mesh, became, moved, points / scale)


def decimate_by_error(mesh: Mesh, frozen: np.ndarray, tolerance: float) -> Mesh:
    """``mesh`` without the triangles that can go while no surface moves by more than ``tolerance`` mm.

    The measure is the simplifier's: the root of the summed squares of a point's distances to the
    planes that it stands for. It takes the mesh in pieces of :data:`PIECE` triangles, so
    that its memory, about 300 bytes a triangle, does not grow with the scan; their seams stay as they are.
    """
    scale = _EPSILON**0.5 / tolerance  # below this error it takes an edge for one that costs nothing
    free = np.flatnonzero(~frozen)
    pieces = max(1, round(len(free) / PIECE))
    points = mesh.points.copy()
    became = np.arange(len(points), dtype=np.int32)
    number = np.empty(len(points), np.int32)
    for own in np.array_split(free, pieces):  # triangles lie in the order of their slices
        corners = became[
            mesh.triangles[own]
        ]  # where two sheets touch, an earlier piece may have merged points
        one, two, three = corners.T
        corners = corners[(one != two) & (two != three) & (three != one)]
        marked = np.zeros(len(points), bool)
        marked[corners] = True
        used = np.flatnonzero(marked)
        number[used] = np.arange(len(used), dtype=np.int32)
        local = number[corners]
        found = _simplified(points[used] * scale, local, target_count=4, lossless=True)
        if found is None:
            continue
        where, moved, places = found
        became[used] = used[where]
        became = _followed(became)
        points[used[moved]] = places / scale
    return _renewed(mesh, became, np.arange(len(points)), points)


def _simplified(
    points: np.ndarray, free: np.ndarray, **how: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """What each point became (n,), which points are left, and where they are; None when it cannot be said."""
    import fast_simplification

    places, triangles, collapses = fast_simplification.simplify(
        points, np.ascontiguousarray(free, np.int32), **{**_ASKED, **how}
    )
    became = _replay(collapses, len(points))
    images = became.take(free)
    left = (images[:, 0] != images[:, 1]) & (images[:, 1] != images[:, 2]) & (images[:, 2] != images[:, 0])
    used = np.zeros(len(points), bool)
    used[images[left]] = True
    survivors = np.flatnonzero(used)  # the simplifier keeps the order of points and triangles
    if len(survivors) != len(places) or int(left.sum()) != len(triangles):
        return None  # a release that counts otherwise: rather large than wrong
    return became, survivors, places


def _renewed(mesh: Mesh, became: np.ndarray, moved: np.ndarray, places: np.ndarray) -> Mesh:
    """``mesh`` with its points merged as ``became`` says, and those ``moved`` put to ``places``."""
    points = mesh.points.copy()
    points[moved] = places
    return without_degenerate(Mesh(points, became.take(mesh.triangles), mesh.sides))


def _replay(collapses: np.ndarray, count: int) -> np.ndarray:
    """For each of ``count`` points the one that it was merged into, int32 (count,)."""
    became = np.arange(count, dtype=np.int32)
    pairs = np.asarray(collapses).reshape(-1, 2)
    became[pairs[:, 1]] = pairs[:, 0]
    return _followed(became)


def _followed(became: np.ndarray) -> np.ndarray:
    """``became`` with chains followed to their end."""
    while True:
        further = became[became]
        if np.array_equal(further, became):
            return became
        became = further

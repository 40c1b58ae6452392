"""Fewer triangles on the shared mesh, walls between neighbours included.

The simplifier (S. Forstmann's fast quadric edge collapse) sees all structures
as one mesh. Its collapses are replayed here to learn which triangle became
which, because it does not carry labels. Contracting edges maps closed surfaces
to closed surfaces, so each structure stays closed and keeps fitting its
neighbours; where a surface is pinched, ``split`` takes it apart again.
"""

from __future__ import annotations

import numpy as np

from .mesh import Mesh, without_degenerate

# The simplifier works through error thresholds in squared units of the points. In units of the
# voxel times SCALE it reaches the useful ones after few passes over the mesh; GROWTH is the power
# with which they rise.
SCALE, GROWTH = 0.05, 8.0
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
        fast_simplification.simplify(corners, faces, target_count=4, **_ASKED)
    except TypeError:
        return False
    return True


def decimate(mesh: Mesh, frozen: np.ndarray, target: int, voxel: float) -> Mesh:
    """``mesh`` with about ``target`` triangles beside the ``frozen`` (m,) ones, which stay as they are.

    ``voxel`` is the shortest edge of a voxel in mm.
    """
    import fast_simplification

    free = mesh.triangles[~frozen]
    if target >= len(free):
        return mesh
    scale = SCALE / voxel
    points, triangles, collapses = fast_simplification.simplify(
        mesh.points * scale,
        np.ascontiguousarray(free, np.int32),
        target_count=max(int(target), 4),
        **_ASKED,
    )
    became = _replay(collapses, len(mesh.points))
    images = became[free]
    left = (images[:, 0] != images[:, 1]) & (images[:, 1] != images[:, 2]) & (images[:, 2] != images[:, 0])
    used = np.zeros(len(mesh.points), bool)
    used[images[left]] = True
    survivors = np.flatnonzero(used)  # the simplifier keeps the order of points and triangles
    if len(survivors) != len(points) or int(left.sum()) != len(triangles):
        return mesh  # a release that counts otherwise: rather large than wrong
    moved = mesh.points.copy()
    moved[survivors] = points / scale
    return without_degenerate(Mesh(moved, became[mesh.triangles], mesh.sides))


def _replay(collapses: np.ndarray, count: int) -> np.ndarray:
    """For each of ``count`` points the one that it was merged into, int32 (count,)."""
    became = np.arange(count, dtype=np.int32)
    pairs = np.asarray(collapses).reshape(-1, 2)
    became[pairs[:, 1]] = pairs[:, 0]
    while True:
        further = became[became]
        if np.array_equal(further, became):
            return became
        became = further

"""Fewer triangles with VTK, one structure at a time: for where the shared mesh cannot be simplified.

The package ``fast_simplification`` is not in Slicer and lacks what
:mod:`.decimate` needs in some releases. Here each structure is reduced without
knowing of its neighbours, so a wall that two structures share is no longer the
same on both sides: the sides may lie a part of a voxel apart or overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .mesh import Mesh, without_degenerate
from .restore import restore_volumes
from .surface import half_edges, is_closed, signed_volume
from .unpinch import unpinch

if TYPE_CHECKING:
    from collections.abc import Iterator

FAITHFUL = 0.02  # of its voxels' volume, by which a reduced structure may be off
WORTH_IT = 0.95  # of the triangles: when more are left, the untouched surface is better


def reduce_alone(
    points: np.ndarray, triangles: np.ndarray, target: int, volume: float, reach: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """A closed surface with about ``target`` of ``triangles`` that encloses ``volume`` mm³.

    ``points`` float64 (n, 3) in mm; no wall moves further than ``reach`` mm at
    once for the volume's sake. ``None`` when no filter of VTK gives a surface
    that is closed, smaller and within 2 % of ``volume``: then this one stays.
    """
    for method in _filters(1.0 - target / len(triangles)):
        reduced = _run(method, points, triangles)
        if reduced is None or len(reduced[1]) > WORTH_IT * len(triangles):
            continue
        sides = np.tile(np.array([1, 0], np.int32), (len(reduced[1]), 1))
        mesh = restore_volumes(Mesh(*reduced, sides), np.array([0.0, volume]), reach)
        if is_closed(mesh.triangles):
            found = signed_volume(mesh.points, mesh.triangles)
            if abs(found - volume) <= FAITHFUL * volume:
                return mesh.points, mesh.triangles
    return None


def _filters(reduction: float) -> Iterator[Any]:
    """The filters that this VTK has, the one with the better shapes first."""
    from vtkmodules import vtkFiltersCore

    if hasattr(vtkFiltersCore, "vtkQuadricDecimation"):
        quadric = vtkFiltersCore.vtkQuadricDecimation()
        quadric.SetTargetReduction(reduction)
        yield quadric
    if hasattr(vtkFiltersCore, "vtkDecimatePro"):
        careful = vtkFiltersCore.vtkDecimatePro()  # removes less, but never changes the topology
        careful.SetTargetReduction(reduction)
        careful.PreserveTopologyOn()
        yield careful


def _run(method: Any, points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """What ``method`` makes of a surface, pinches taken apart: points float64, triangles int32."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    places, faces, surface = vtkPoints(), vtkCellArray(), vtkPolyData()
    places.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float64), deep=1))
    ends = np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int64)
    corners = np.ascontiguousarray(triangles, np.int64).reshape(-1)
    faces.SetData(numpy_to_vtkIdTypeArray(ends, deep=1), numpy_to_vtkIdTypeArray(corners, deep=1))
    surface.SetPoints(places)
    surface.SetPolys(faces)
    method.SetInputData(surface)
    method.Update()
    output = method.GetOutput()
    left = output.GetNumberOfPolys()
    if not left or output.GetPolys().GetNumberOfConnectivityIds() != 3 * left:
        return None
    found = np.array(vtk_to_numpy(output.GetPoints().GetData()), np.float64)
    kept = np.array(vtk_to_numpy(output.GetPolys().GetConnectivityArray()), np.int32).reshape(-1, 3)
    whole = without_degenerate(Mesh(found, kept, np.zeros((left, 2), np.int32)))
    if not len(whole.triangles) or not np.isfinite(whole.points).all():
        return None
    if is_closed(whole.triangles):
        return whole.points, whole.triangles
    return unpinch(whole.points, close_gaps(whole.triangles))


def close_gaps(triangles: np.ndarray) -> np.ndarray:
    """``triangles`` with a fan over each gap, so that every edge is run through as often as against.

    VTK's quadric decimation loses a few triangles where a surface all but touches itself. What
    bounds the gaps goes round in circles, so a fan from one of a gap's points closes it.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    starts, ends = half_edges(triangles)
    size = int(triangles.max()) + 1
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    names, edge = np.unique(low * size + high, return_inverse=True)
    excess = np.bincount(edge, np.where(starts < ends, 1, -1)).astype(np.int64)  # forward minus backward
    open_ = np.flatnonzero(excess)
    if not len(open_):
        return triangles
    one, other = np.divmod(np.repeat(names[open_], np.abs(excess[open_])), size)
    forward = np.repeat(excess[open_] > 0, np.abs(excess[open_]))
    graph = coo_matrix((np.ones(len(one), np.int8), (one, other)), shape=(size, size))
    _, gap = connected_components(graph, directed=False)
    _, first = np.unique(gap, return_index=True)
    tip = first[gap[one]]
    fan = np.stack([np.where(forward, other, one), np.where(forward, one, other), tip], axis=1)
    fan = fan[(fan[:, 0] != tip) & (fan[:, 1] != tip)]
    return np.concatenate([triangles, fan.astype(triangles.dtype)])

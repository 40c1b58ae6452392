"""How far a simplified surface lies from the one that it was made of, measured at sampled points."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from .mesh import Mesh

SAMPLES = 250  # points of each structure


def samples(mesh: Mesh, labels: Sequence[int]) -> dict[int, np.ndarray]:
    """For each of ``labels`` some of its points (n, 3) on ``mesh``, spread evenly over its triangles' order.

    The triangles are sorted by label once: looking through all of them for each of thousands of labels
    takes a minute.
    """
    sides = mesh.sides.reshape(-1)
    order = np.argsort(sides, kind="stable")
    ends = np.searchsorted(sides[order], np.asarray(labels), side="right")
    starts = np.searchsorted(sides[order], np.asarray(labels), side="left")
    found = {}
    for label, start, end in zip(labels, starts.tolist(), ends.tolist()):
        places = np.unique(np.linspace(0, end - start - 1, min(SAMPLES, end - start)).astype(np.intp))
        chosen = order[start + places] // 2
        found[label] = np.asarray(mesh.points[mesh.triangles[chosen, 0]])
    return found


def distances(places: np.ndarray, points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The distance (n,) of each of ``places`` to the surface of ``triangles``."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import reference, vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData, vtkStaticCellLocator

    corners, faces, surface = vtkPoints(), vtkCellArray(), vtkPolyData()
    held = np.ascontiguousarray(points)  # VTK shares these arrays, so they have to live as long as it
    ends = np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int64)
    indices = np.ascontiguousarray(triangles, np.int64).reshape(-1)
    corners.SetData(numpy_to_vtk(held))
    faces.SetData(numpy_to_vtkIdTypeArray(ends), numpy_to_vtkIdTypeArray(indices))
    surface.SetPoints(corners)
    surface.SetPolys(faces)
    locator = vtkStaticCellLocator()
    locator.SetNumberOfCellsPerNode(2)  # for few questions a finer grid pays
    locator.SetDataSet(surface)
    locator.BuildLocator()
    nearest = [0.0, 0.0, 0.0]
    cell, part, squared = reference(0), reference(0), reference(0.0)
    found = np.empty(len(places))
    for number, place in enumerate(places.tolist()):
        locator.FindClosestPoint(place, nearest, cell, part, squared)  # type: ignore[call-overload]
        found[number] = float(squared)  # type: ignore[arg-type]
    return np.sqrt(found)

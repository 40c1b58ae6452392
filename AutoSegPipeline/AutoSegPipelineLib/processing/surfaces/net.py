"""The multi-label surface net: quads between voxels of different labels, before any shaping.

All labels share one mesh, so a wall between two neighbours exists once and
stays one wall however it is smoothed and simplified.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .surface import cross

if TYPE_CHECKING:
    from vtkmodules.vtkCommonExecutionModel import vtkAlgorithm

THREADS = 2  # numpy lets another one run most of the time
CHUNK = 1 << 17  # quads that are looked at together: the arrays stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Net:
    """``points`` float32 (n, 3) in indices i, j, k of the array; ``quads`` int32 (m, 4); ``sides`` (m, 2).

    ``sides`` are the labels on both sides of a quad, 0 being outside and always
    second. Where the index axes are right-handed a quad's normal points from
    the first side into the second.
    """

    points: np.ndarray
    quads: np.ndarray
    sides: np.ndarray


def surface_net(labels: np.ndarray, count: int) -> Net:
    """The net of ``labels`` (k, j, i), numbered 1 to ``count``, whose outermost voxels are all 0.

    VTK's filter where there is one and its answer is sound, otherwise ours:
    the same quads, more slowly and on one core.
    """
    net = _vtk_net(labels, count)
    return net if net is not None and is_sound(net, count) else numpy_net(labels)


def is_sound(net: Net, count: int) -> bool:
    """Whether the quads round each label add up to a closed surface that encloses a volume.

    The area vectors of a closed surface sum to zero. They are looked at in one
    direction in which no sum of lattice vectors is zero by chance.
    """
    if not (net.sides[:, 0] > 0).all():
        return False
    direction = np.sqrt([1.0, 2.0, 3.0])

    def of_chunk(start: int) -> np.ndarray:
        quads, sides = net.quads[start : start + CHUNK], net.sides[start : start + CHUNK].astype(np.intp)
        a, b, c = (net.points.take(quads[:, corner], axis=0) for corner in range(3))
        areas = cross(b - a, c - b)
        sums = [
            np.bincount(sides[:, 0], values, count + 1) - np.bincount(sides[:, 1], values, count + 1)
            for values in (areas @ direction, np.einsum("ij,ij->i", areas, a))
        ]
        return np.array(sums)

    sums = np.zeros((2, count + 1))
    with ThreadPoolExecutor(THREADS) as pool:
        for some in pool.map(of_chunk, range(0, len(net.quads), CHUNK)):
            sums += some
    return bool((np.abs(sums[0, 1:]) < 1e-3).all() and (sums[1, 1:] >= 0.0).all())


def _vtk_net(labels: np.ndarray, count: int) -> Net | None:
    """The net as ``vtkSurfaceNets3D`` (VTK 9.2 and later) makes it, or ``None`` without that filter."""
    from vtkmodules import vtkFiltersCore
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData

    if not hasattr(vtkFiltersCore, "vtkSurfaceNets3D"):
        return None
    image = vtkImageData()
    image.SetDimensions(labels.shape[2], labels.shape[1], labels.shape[0])
    image.GetPointData().SetScalars(numpy_to_vtk(labels.reshape(-1)))  # shares the memory
    nets = vtkFiltersCore.vtkSurfaceNets3D()
    nets.SetInputData(image)
    nets.SetNumberOfLabels(count)
    for label in range(count):
        nets.SetLabel(label, label + 1)
    nets.SetBackgroundLabel(0)
    nets.SmoothingOff()
    nets.SetOutputMeshTypeToQuads()
    _on_all_cores(nets)
    mesh = nets.GetOutput()
    sides = mesh.GetCellData().GetArray("BoundaryLabels")
    if sides is None or mesh.GetNumberOfCells() == 0:
        return None
    quads = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray())
    if len(quads) != 4 * mesh.GetNumberOfCells():
        return None
    points = np.array(vtk_to_numpy(mesh.GetPoints().GetData()), np.float32)
    quads = np.array(quads, np.int32).reshape(-1, 4)
    twins = mesh.GetPointData().GetArray("NonManifoldTableIndices")
    if twins is not None:
        quads = _merge_twins(points, quads, vtk_to_numpy(twins) >= 0)
    return Net(points, quads, np.array(vtk_to_numpy(sides)).astype(labels.dtype))


def _on_all_cores(filter_: vtkAlgorithm) -> None:
    """Update ``filter_`` with threads where VTK computes on one core, as its wheels do unless told otherwise.

    Only for this filter: starting threads costs small ones more than it gives.
    """
    from vtkmodules.vtkCommonCore import vtkSMPTools

    before = vtkSMPTools.GetBackend()
    if before == "Sequential":
        vtkSMPTools.SetBackend("STDThread")
    try:
        filter_.Update()
    finally:
        if before == "Sequential":
            vtkSMPTools.SetBackend(before)


def _merge_twins(points: np.ndarray, quads: np.ndarray, twins: np.ndarray) -> np.ndarray:
    """``quads`` with points of one place made one again.

    VTK 9.7 doubles points at pinches so that the whole mesh is manifold, which
    opens the surface of each single label there.
    """
    where = np.flatnonzero(twins)
    if not len(where):
        return quads
    _, first, place = np.unique(points[where], axis=0, return_index=True, return_inverse=True)
    same = np.arange(len(points), dtype=np.int32)
    same[where] = where[first][place.reshape(-1)]
    return np.asarray(same.take(quads))


def numpy_net(labels: np.ndarray) -> Net:
    """The net made with numpy alone; arguments and result as for :func:`surface_net`.

    A point lies in the middle of each 2x2x2 block of voxels that holds more
    than one label, a quad between each two voxels that differ (S. Frisken,
    Surface Nets for Multi-Label Segmentations, JCGT 11(1), 2022).
    """
    _, nj, ni = labels.shape
    steps = (ni * nj, ni, 1)  # array axis -> step in the flat index
    flat = labels.reshape(-1)
    blocks, sides = [], []
    for axis in (2, 1, 0):
        step = steps[axis]
        low = np.flatnonzero(flat[:-step] != flat[step:])
        # Between voxel p and p + step. A block is named by its lowest voxel; those that touch the
        # face lie one step back along the two other axes, taken so that u x v = the axis of p.
        u, v = steps[(axis + 2) % 3], steps[(axis + 1) % 3]
        blocks.append(np.stack([low - u - v, low - v, low, low - u], axis=1))
        sides.append(np.stack([flat[low], flat[low + step]], axis=1))
    pairs = np.concatenate(sides)
    names, quads = np.unique(np.concatenate(blocks), return_inverse=True)
    quads = quads.reshape(-1, 4).astype(np.int32)
    k, rest = np.divmod(names, ni * nj)
    j, i = np.divmod(rest, ni)
    points = np.stack([i, j, k], axis=1).astype(np.float32) + np.float32(0.5)
    outside = pairs[:, 0] == 0
    quads[outside] = quads[outside][:, ::-1]
    pairs[outside] = pairs[outside][:, ::-1]
    return Net(points, quads, pairs)

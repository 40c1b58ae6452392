"""The way from label layers to surfaces, one step a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import PipelineError
from ...core.progress import SilentReport
from .contract import contract
from .decimate import decimate, simplifier_is_there
from .labels import Block, compact
from .mesh import triangulate, wall_counts, without_degenerate
from .net import Net, numpy_net, surface_net
from .reduce_alone import WORTH_IT, reduce_alone
from .restore import restore_volumes
from .smooth import smooth
from .split import split, unpinch
from .surface import Surface, is_closed, vertex_normals

if TYPE_CHECKING:
    from ...core.progress import Report
    from ...core.segmentation import Grid, Segment, Segmentation

COARSEN_BELOW = 0.25  # detail from which on the net is first coarsened to a quarter
COARSEN_ABOVE = 4000  # triangles that a structure must have for that
ENOUGH = 400  # triangles that simplifying should leave a structure, when it has as many
BUDGET = 120_000  # triangles that a layer may always keep: coarse scans would fall apart with less


@dataclass(frozen=True)
class _Shaping:
    """How surfaces are shaped: arguments of :func:`make_surfaces` and what it found out.

    ``shared``: whether all structures can be simplified as one mesh. ``tries`` gets one entry for
    each structure that was reduced alone: whether that could be done.
    """

    detail: float
    smoothing: bool
    shared: bool
    tries: list[bool]


def make_surfaces(
    segmentation: Segmentation,
    detail: float = 0.1,
    smoothing: bool = True,
    report: Report | None = None,
) -> list[Surface]:
    """One closed surface for each segment that has voxels, in the order of ``segmentation.segments``.

    Structures of one layer that touch share their walls exactly, unless VTK had to reduce
    them one by one (see :mod:`.reduce_alone`). ``detail`` is the part of the triangles that
    is kept; small structures and small scans keep more. ``segmentation.warnings`` gets
    ``surface.empty`` for a segment without voxels, which gives no surface, and
    ``surface.not_reduced`` when not one structure could be reduced as far as asked. Raises
    :class:`Cancelled` through ``report``, and PipelineError ``export.failed`` when a surface
    cannot be closed.
    """
    report = report or SilentReport()
    shared = detail < 1.0 and simplifier_is_there()
    tries: list[bool] = []
    made: dict[str, Surface] = {}
    for number, layer in enumerate(segmentation.layers):
        segments = [s for s in segmentation.segments if s.layer == number]
        report.check()
        block = compact(layer, [s.value for s in segments])
        if block is not None:
            shaping = _Shaping(detail, smoothing, shared, tries)
            made.update(_layer_surfaces(block, segmentation.grid, segments, shaping, report))
    if tries and not any(tries):
        _warn(segmentation, "surface.not_reduced", "no surface could be reduced without damage")
    for segment in segmentation.segments:
        if segment.name not in made:
            _warn(segmentation, "surface.empty", f"{segment.title} has no voxels and so no surface")
    return [made[s.name] for s in segmentation.segments if s.name in made]


def _warn(segmentation: Segmentation, code: str, message: str) -> None:
    segmentation.warnings.append({"code": code, "message": message})


def _layer_surfaces(
    block: Block, grid: Grid, segments: list[Segment], shaping: _Shaping, report: Report
) -> dict[str, Surface]:
    net = surface_net(block.labels, len(segments))
    report.check()
    walls = wall_counts(net.sides, len(segments))
    faces = 2 * (walls.sum(axis=0) + walls.sum(axis=1))  # triangles of each label
    detail = max(shaping.detail, min(1.0, BUDGET / max(int(faces.sum()), 1)))
    part = _kept_parts(faces, detail)
    target = 2.0 * float((walls * np.maximum(part[:, None], part)).sum())
    if detail < COARSEN_BELOW:
        coarse = contract(net, _touching(net, faces < COARSEN_ABOVE), grid.spacing)
    else:
        coarse = net
    points = coarse.points
    if shaping.smoothing:
        thickness = block.counts / np.maximum(faces / 2.0, 1.0)
        points = smooth(coarse, thickness, (faces >= COARSEN_ABOVE) & (detail < COARSEN_BELOW))
    report.check()
    mesh = triangulate(coarse, _to_mm(points, grid), grid.determinant < 0)
    volumes = block.counts * (grid.voxel_ml * 1000.0)
    whole = mesh
    if detail < 1.0 and shaping.shared:
        frozen = (part >= 1.0)[mesh.sides].any(axis=1)
        mesh = decimate(mesh, frozen, int(target - frozen.sum()), min(grid.spacing))
        report.check()
    reach = 0.25 * min(grid.spacing)
    alone = detail < 1.0 and mesh is whole
    mesh = restore_volumes(mesh, volumes, reach)
    origin = _origin(block, grid)
    found: dict[str, Surface] = {}
    for label, own, triangles in split(mesh, len(segments)):
        if not is_closed(triangles):
            continue
        wanted = int(part[label] * faces[label])
        if alone and wanted < WORTH_IT * len(triangles):
            report.check()
            fewer = reduce_alone(own, triangles, wanted, float(volumes[label]), reach)
            shaping.tries.append(fewer is not None)
            own, triangles = fewer or (own, triangles)
        found[segments[label - 1].name] = _surface(segments[label - 1], own + origin, triangles)
    lost = [n for n, s in enumerate(segments, 1) if block.counts[n] and s.name not in found]
    if lost:  # simplified away, or never closed by VTK: our own net is closed by construction
        plain = numpy_net(block.labels)
        for label in lost:
            found[segments[label - 1].name] = _plain(plain, label, segments[label - 1], grid, origin)
    return found


def _plain(net: Net, label: int, segment: Segment, grid: Grid, origin: np.ndarray) -> Surface:
    """The surface of one label as its voxels give it, for what shaping would destroy."""
    own = np.flatnonzero((net.sides == label).any(axis=1))
    alone = Net(net.points, net.quads[own], net.sides[own])
    mesh = without_degenerate(triangulate(alone, _to_mm(net.points, grid), grid.determinant < 0))
    turned = mesh.sides[:, 1] == label
    triangles = np.where(turned[:, None], mesh.triangles[:, ::-1], mesh.triangles)
    points, triangles = unpinch(mesh.points, triangles)
    if not is_closed(triangles):
        raise PipelineError("export.failed", f"the surface of {segment.name} cannot be closed")
    return _surface(segment, points + origin, triangles)


def _surface(segment: Segment, points: np.ndarray, triangles: np.ndarray) -> Surface:
    normals = vertex_normals(points, triangles)
    return Surface(segment, points.astype(np.float32), np.ascontiguousarray(triangles, np.int32), normals)


def _kept_parts(faces: np.ndarray, detail: float) -> np.ndarray:
    """The part 0..1 of its triangles that each label should keep; of a wall, the larger of both sides."""
    part = np.clip(np.maximum(detail, ENOUGH / np.maximum(faces, 1)), 0.0, 1.0)
    part[0] = 0.0
    return np.asarray(part)


def _touching(net: Net, which: np.ndarray) -> np.ndarray:
    """Mark the points (n,) that belong to a label of ``which`` (bool for each label, 0 not counted)."""
    which = which.copy()
    which[0] = False
    marked = np.zeros(len(net.points), bool)
    marked[net.quads[which[net.sides[:, 0]] | which[net.sides[:, 1]]]] = True
    return marked


def _to_mm(points: np.ndarray, grid: Grid) -> np.ndarray:
    """Index offsets (n, 3) as LPS mm relative to the block's first voxel, float64."""
    axes = np.array(grid.affine, np.float64)[:3, :3]
    return points.astype(np.float64) @ axes.T


def _origin(block: Block, grid: Grid) -> np.ndarray:
    """LPS mm of the block's first voxel."""
    affine = np.array(grid.affine, np.float64)
    return affine[:3, :3] @ block.offset + affine[:3, 3]

"""The way from label layers to surfaces, one step a line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import PipelineError
from ...core.progress import SilentReport
from ..anatomy import is_soft
from .budget import MARGIN, Budget, StructureNote, shares
from .decimate import simplifier_is_there
from .deviation import distances
from .follow import Scan
from .mesh import triangulate, without_degenerate
from .net import Net, numpy_net
from .reduce_alone import WORTH_IT, reduce_alone
from .restore import restore_volumes
from .shape import LENIENT, Layer, Shaping, cleaned, limit, shape_layer, to_mm
from .split import split
from .surface import Surface, is_closed, vertex_normals
from .unpinch import unpinch

if TYPE_CHECKING:
    from ...core.progress import Report
    from ...core.segmentation import Grid, Segment, Segmentation


@dataclass
class _Making:
    """What the steps share; ``tries``: for each structure reduced alone, whether that could be done."""

    segmentation: Segmentation
    budget: Budget
    report: Report
    scan: Scan | None = None
    tries: list[bool] = field(default_factory=list)

    @property
    def grid(self) -> Grid:
        return self.segmentation.grid

    @property
    def smallest(self) -> float:
        """Voxels of a piece that is no speck."""
        return self.budget.piece_ml / self.grid.voxel_ml


def make_surfaces(
    segmentation: Segmentation,
    detail: float = 0.1,
    smoothing: bool = True,
    report: Report | None = None,
    budget: Budget | None = None,
    scan: Scan | None = None,
) -> list[Surface]:
    """One closed surface for each segment that has voxels, in the order of ``segmentation.segments``.

    Structures of one layer that touch share their walls exactly, unless VTK had to reduce
    them one by one (see :mod:`.reduce_alone`). ``detail`` is the part of the triangles that
    is kept; small structures and small scans keep more, very large ones what half a voxel of
    error needs. ``budget`` holds the limits and afterwards what they did. Smooth surfaces of the
    structures that ``scan`` names follow its intensities; its array is let go as soon as possible.
    ``segmentation.warnings`` gets ``surface.empty`` for a segment without voxels, which gives no
    surface, ``surface.not_reduced`` when not one structure could be reduced as far as asked, and
    ``surface.over_limit`` when the limit could not be kept. Raises
    :class:`Cancelled` through ``report``, and PipelineError ``export.failed`` when a surface
    cannot be closed.
    """
    making = _Making(segmentation, budget or Budget(), report or SilentReport(), scan)
    layers = _shaped(making, detail, smoothing)
    share = _shares(layers, making.budget, simplified=detail < 1.0)
    surfaces: dict[str, Surface] = {}
    making.budget.holes = sum(int(layer.specks.pieces[0]) for layer in layers)
    while layers:  # a mesh is let go when its surfaces are there
        layer = layers.pop(0)
        surfaces.update(_layer_surfaces(making, layer, detail, share.get(layer.number)))
    _warn_of(making, surfaces)
    return [surfaces[s.name] for s in segmentation.segments if s.name in surfaces]


def _shaped(making: _Making, detail: float, smoothing: bool) -> list[Layer]:
    how = Shaping(detail, smoothing, simplifier_is_there(), making.smallest)
    layers = []
    for number, voxels in enumerate(making.segmentation.layers):
        segments = [s for s in making.segmentation.segments if s.layer == number]
        making.report.check()
        layer = shape_layer(number, voxels, segments, making.grid, how, making.report, making.scan)
        if layer is not None:
            layers.append(layer)
            making.budget.follows += layer.follows
    if making.scan is not None:
        making.scan.array = None
    return layers


def _shares(layers: list[Layer], budget: Budget, simplified: bool) -> dict[int, np.ndarray]:
    """The share of each label by layer number, endless for those that keep all; nothing within the limit."""
    wanted = [
        layer.triangles_of() if layer.reduced or not simplified
        else np.minimum(layer.part * layer.faces, layer.triangles_of())
        for layer in layers
    ]  # fmt: skip
    total = np.concatenate(wanted) if wanted else np.zeros(0)
    outer = np.concatenate([np.arange(len(one)) == 0 for one in wanted]) if wanted else np.zeros(0, bool)
    if not budget.most or total[~outer].sum() <= budget.most:
        return {}
    faces = np.concatenate([layer.faces for layer in layers])
    soft = np.concatenate([[False, *(is_soft(s) for s in layer.segments)] for layer in layers])
    share = np.full(len(total), np.inf)
    most = shares(total[~outer], faces[~outer], soft[~outer], int(MARGIN * budget.most))
    share[~outer] = np.where(most < total[~outer], most, np.inf)
    parts = np.split(share, np.cumsum([len(one) for one in wanted])[:-1])
    return {layer.number: part for layer, part in zip(layers, parts)}


def _layer_surfaces(
    making: _Making, layer: Layer, detail: float, share: np.ndarray | None
) -> dict[str, Surface]:
    grid, report = making.grid, making.report
    alone = not layer.reduced and (detail < 1.0 or share is not None)
    if share is not None and simplifier_is_there():
        before = layer.mesh
        limit(layer, share, min(grid.spacing), report)
        alone = alone and layer.mesh is before
    reach = 0.25 * min(grid.spacing)
    mesh = restore_volumes(layer.mesh, layer.volumes, reach)
    found: dict[str, Surface] = {}
    for label, own, triangles in split(mesh, len(layer.segments)):
        segment = layer.segments[label - 1]
        wanted = int(layer.part[label] * layer.faces[label])
        if share is not None:
            wanted = int(min(wanted, share[label]))
        if alone and wanted < WORTH_IT * len(triangles):
            report.check()
            fewer = reduce_alone(own, triangles, wanted, float(layer.volumes[label]), reach)
            making.tries.append(fewer is not None)
            own, triangles = fewer or (own, triangles)
        found[segment.name] = _surface(segment, own + layer.origin, triangles)
        _note(making, layer, label, share, own, triangles)
    there = {segment.name for n, segment in enumerate(layer.segments, 1) if layer.volumes[n]}
    if there - set(found):
        found.update(_as_voxels(making, layer, there - set(found)))
    return found


def _note(
    making: _Making,
    layer: Layer,
    label: int,
    share: np.ndarray | None,
    points: np.ndarray,
    triangles: np.ndarray,
) -> None:
    away = distances(layer.samples[label], points, triangles)
    limited = share is not None and bool(np.isfinite(share[label]))
    making.budget.notes[layer.segments[label - 1].name] = StructureNote(
        full=int(layer.faces[label]),
        share=int(LENIENT * share[label]) if share is not None and limited else None,
        triangles=len(triangles),
        specks=int(layer.specks.pieces[label]),
        specks_ml=float(layer.specks.voxels[label] * making.grid.voxel_ml),
        error_mm=(float(away.mean()), float(np.quantile(away, 0.99))),
    )


def _as_voxels(making: _Making, layer: Layer, names: set[str]) -> dict[str, Surface]:
    """What was simplified away, or never closed by VTK: our own net is closed by construction."""
    voxels = making.segmentation.layers[layer.number]
    again = cleaned(voxels, layer.segments, making.smallest)
    assert again is not None
    net = numpy_net(again[0].labels)
    found = {}
    for label, segment in enumerate(layer.segments, 1):
        if segment.name in names:
            found[segment.name] = _plain(net, label, segment, making.grid, layer.origin)
            making.budget.notes[segment.name] = StructureNote(
                full=int(layer.faces[label]), triangles=len(found[segment.name].triangles)
            )
    return found


def _warn_of(making: _Making, surfaces: dict[str, Surface]) -> None:
    budget = making.budget

    def warn(code: str, message: str) -> None:
        making.segmentation.warnings.append({"code": code, "message": message})

    if making.tries and not any(making.tries):
        warn("surface.not_reduced", "no surface could be reduced without damage")
    if budget.most and budget.triangles > budget.most:
        warn(
            "surface.over_limit",
            f"the surfaces have {budget.triangles:,} triangles although the limit is {budget.most:,}: "
            "they could not be simplified further without damage",
        )
    for segment in making.segmentation.segments:
        if segment.name not in surfaces:
            warn("surface.empty", f"{segment.title} has no voxels and so no surface")


def _plain(net: Net, label: int, segment: Segment, grid: Grid, origin: np.ndarray) -> Surface:
    """The surface of one label as its voxels give it, for what shaping would destroy."""
    own = np.flatnonzero((net.sides == label).any(axis=1))
    alone = Net(net.points, net.quads[own], net.sides[own])
    mesh = without_degenerate(triangulate(alone, to_mm(net.points, grid), grid.determinant < 0))
    turned = mesh.sides[:, 1] == label
    triangles = np.where(turned[:, None], mesh.triangles[:, ::-1], mesh.triangles)
    points, triangles = unpinch(mesh.points, triangles)
    if not is_closed(triangles):
        raise PipelineError("export.failed", f"the surface of {segment.name} cannot be closed")
    return _surface(segment, points + origin, triangles)


def _surface(segment: Segment, points: np.ndarray, triangles: np.ndarray) -> Surface:
    normals = vertex_normals(points, triangles)
    return Surface(segment, points.astype(np.float32), np.ascontiguousarray(triangles, np.int32), normals)

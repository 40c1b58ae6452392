"""The way from label layers to surfaces, one step a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.report import SilentReport
from .labels import compact
from .net import numpy_net
from .surface import Surface, vertex_normals

if TYPE_CHECKING:
    from ...core.report import Report
    from ...core.segmentation import Segmentation


def make_surfaces(
    segmentation: Segmentation,
    detail: float = 0.1,
    smoothing: bool = True,
    report: Report | None = None,
) -> list[Surface]:
    """One closed surface for each segment that has voxels, in the order of ``segmentation.segments``.

    ``detail`` is the part of the triangles that is kept. A segment without
    voxels gives no surface but a warning ``surface.empty`` in
    ``segmentation.warnings``. Raises :class:`Cancelled` through ``report``.
    """
    report = report or SilentReport()
    made: dict[str, Surface] = {}
    affine = np.array(segmentation.grid.affine, float)
    for number, layer in enumerate(segmentation.layers):
        segments = [s for s in segmentation.segments if s.layer == number]
        report.check()
        block = compact(layer, [s.value for s in segments])
        if block is None:
            continue
        net = numpy_net(block.labels)
        points = (net.points + block.offset) @ affine[:3, :3].T + affine[:3, 3]
        for label, segment in enumerate(segments, 1):
            ahead, behind = net.sides[:, 0] == label, net.sides[:, 1] == label
            quads = np.concatenate([net.quads[ahead], net.quads[behind][:, ::-1]])
            if not len(quads):
                continue
            if segmentation.grid.determinant < 0:
                quads = quads[:, ::-1]
            used, local = np.unique(quads, return_inverse=True)
            local = local.reshape(-1, 4)
            triangles = np.concatenate([local[:, [0, 1, 2]], local[:, [0, 2, 3]]]).astype(np.int32)
            own = points[used].astype(np.float32)
            made[segment.name] = Surface(segment, own, triangles, vertex_normals(own, triangles))
    for segment in segmentation.segments:
        if segment.name not in made:
            segmentation.warnings.append(
                {"code": "surface.empty", "message": f"{segment.title} has no voxels and so no surface"}
            )
    return [made[s.name] for s in segmentation.segments if s.name in made]

"""One layer of labels shaped to a smooth, simplified mesh that its structures share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import is_soft
from .contract import contract
from .decimate import decimate, decimate_by_error, decimate_within
from .deviation import samples
from .follow import Scan, follow
from .labels import Block, compact
from .mesh import Mesh, triangulate, wall_counts
from .net import Net, surface_net
from .smooth import smooth
from .specks import Specks, without_specks

if TYPE_CHECKING:
    from ...core.progress import Report
    from ...core.segmentation import Grid, Segment

COARSEN_BELOW = 0.25  # detail from which on the net is first coarsened to a quarter
COARSEN_ABOVE = 4000  # triangles that a structure must have for that
COARSEN_THICK = 0.8  # voxels per voxel face that it must have, soft tissue aside: a tube four voxels wide
ENOUGH = 400  # triangles that simplifying should leave a structure, when it has as many
BUDGET = 120_000  # triangles that a layer may always keep: coarse scans would fall apart with less
LARGE = 500_000  # triangles of a coarsened layer from which on it is simplified by error first
TOLERANCE = 0.5  # of the shortest edge of a voxel: the most that simplifying by error may cost
LENIENT = 1.5  # times its share: the most that one structure may have while all together keep the limit
STEPS = (
    1.0,
    2.0,
    1.0,
    4.0,
    2.0,
    4.0,
    16.0,
)  # shortest edges of a voxel, that the limit may cost, step by step


@dataclass(frozen=True)
class Shaping:
    """How meshes are shaped: the part of triangles to keep, whether to smooth, whether the simplifier
    for ``shared`` meshes is there, and how many voxels a piece has that is no speck.
    """

    detail: float
    smoothing: bool
    shared: bool
    smallest: float


@dataclass
class Layer:
    """``mesh`` of the labels 1..n of ``segments``, in mm relative to ``origin`` (LPS mm).

    By label, 0 being the outside: ``volumes`` in mm³, ``faces`` triangles of the voxels'
    faces, ``part`` of them to keep; ``specks`` were left out; ``samples`` are points of
    the smooth surface before it was simplified. ``reduced``: whether simplifying the shared mesh worked;
    ``follows``: the structures whose surface follows the scan.
    """

    number: int
    segments: list[Segment]
    mesh: Mesh
    volumes: np.ndarray
    faces: np.ndarray
    part: np.ndarray
    origin: np.ndarray
    specks: Specks
    reduced: bool
    samples: dict[int, np.ndarray] = field(default_factory=dict)
    follows: list[str] = field(default_factory=list)

    def triangles_of(self) -> np.ndarray:
        """How many triangles of the mesh each label has (n + 1,)."""
        sides, size = self.mesh.sides, len(self.faces)
        return np.bincount(sides[:, 0], minlength=size) + np.bincount(sides[:, 1], minlength=size)


def cleaned(layer: np.ndarray, segments: list[Segment], smallest: float) -> tuple[Block, Specks] | None:
    """The labels of ``segments`` in ``layer`` without pieces of less than ``smallest`` voxels."""
    block = compact(layer, [segment.value for segment in segments])
    if block is None:
        return None
    return block, without_specks(block.labels, block.counts, smallest)


def shape_layer(
    number: int,
    voxels: np.ndarray,
    segments: list[Segment],
    grid: Grid,
    how: Shaping,
    report: Report,
    scan: Scan | None = None,
) -> Layer | None:
    """The mesh of one layer with the triangles that ``how`` asks for; None when it has no voxel."""
    found = cleaned(voxels, segments, how.smallest)
    if found is None:
        return None
    block, specks = found
    net = surface_net(block.labels, len(segments))
    shift = follow(net, block, segments, scan) if scan is not None and how.smoothing else None
    block.labels = block.labels[
        :0
    ]  # each of these is as large as the scan: none is kept while the next is made
    report.check()
    walls = wall_counts(net.sides, len(segments))
    faces = 2 * (walls.sum(axis=0) + walls.sum(axis=1))
    detail = max(how.detail, min(1.0, BUDGET / max(int(faces.sum()), 1)))
    thickness, soft = block.counts / np.maximum(faces / 2.0, 1.0), _soft(segments)
    coarse = detail < COARSEN_BELOW
    if coarse:
        fine = (faces < COARSEN_ABOVE) | ((thickness < COARSEN_THICK) & ~soft)
        net, group = contract(net, _touching(net, fine), grid.spacing)
        shift = shift.merged(group, len(net.points)) if shift is not None else None
        del group
    points = smooth(net, thickness, soft, grid.spacing, coarse, shift) if how.smoothing else net.points
    report.check()
    mesh = triangulate(net, to_mm(points, grid), grid.determinant < 0)
    del net, points
    layer = Layer(
        number, segments, mesh, block.counts * (grid.voxel_ml * 1000.0), faces,
        _kept_parts(faces, detail), _origin(block, grid), specks, False,
    )  # fmt: skip
    if shift is not None and scan is not None:
        layer.follows = [segment.name for segment in segments if segment.name in scan.ranges]
    layer.samples = samples(mesh, [label for label in range(1, len(segments) + 1) if faces[label]])
    del mesh
    report.check()
    if detail < 1.0 and how.shared:
        _simplify(layer, walls, detail, min(grid.spacing), report)
    return layer


def _simplify(layer: Layer, walls: np.ndarray, detail: float, voxel: float, report: Report) -> None:
    """By error where there is much, then as far as the parts to keep allow."""
    part = layer.part
    before = len(layer.mesh.triangles)
    target = 2.0 * float((walls * np.maximum(part[:, None], part)).sum())
    if detail < COARSEN_BELOW and before > LARGE:
        layer.mesh = decimate_by_error(layer.mesh, _frozen(layer), TOLERANCE * voxel)
        report.check()
    frozen = _frozen(layer)
    layer.mesh = decimate(layer.mesh, frozen, int(target - frozen.sum()), voxel)
    layer.reduced = len(layer.mesh.triangles) < before
    report.check()


def _frozen(layer: Layer) -> np.ndarray:
    return np.asarray((layer.part >= 1.0)[layer.mesh.sides].any(axis=1))


def limit(layer: Layer, share: np.ndarray, voxel: float, report: Report) -> None:
    """Simplify ``layer`` further until its labels together have at most their shares (n + 1,) of triangles.

    Soft tissue first: while that suffices, walls of other structures stay as they are. The error
    may rise step by step, but not without end. None may have more than :data:`LENIENT` times its
    own share, so that no single one takes what all need.
    """
    soft = _soft(layer.segments)
    everything = np.ones(len(soft), bool)
    inner = everything.copy()
    inner[0] = False
    room = float(np.minimum(share, layer.triangles_of())[1:].sum())
    for among, error in zip((soft, soft, everything, soft, *[everything] * 3), STEPS):
        _shrink(layer, inner, among, room, error * voxel)
        report.check()
    for _ in range(len(layer.segments)):
        many = layer.triangles_of() / np.maximum(LENIENT * share, 1.0)
        many[0] = 0.0
        one = np.arange(len(share)) == np.argmax(many)
        if not many[one].max() > 1.0:
            return
        most = float(LENIENT * share[one].sum())
        _shrink(layer, one, soft | one, most, STEPS[1] * voxel)
        _shrink(layer, one, everything, most, STEPS[-1] * voxel)
        report.check()


def _shrink(layer: Layer, which: np.ndarray, among: np.ndarray, room: float, error: float) -> None:
    """Simplify walls among the labels ``among``; labels ``which`` then have ``room`` triangles in all.

    They keep more where ``error`` mm would be exceeded.
    """
    sides = layer.mesh.sides
    excess = int(which[sides].sum()) - room
    free = which[sides].any(axis=1) & among[sides].all(axis=1)
    count = int(which[sides[free]].sum())
    if excess > 0 and count:
        part = max(1.0 - 1.02 * excess / count, 0.0)
        layer.mesh = decimate_within(layer.mesh, ~free, int(part * free.sum()), error)


def _soft(segments: list[Segment]) -> np.ndarray:
    """Which labels (n + 1,) are soft tissue; the outside counts as such."""
    return np.array([True, *(is_soft(segment) for segment in segments)])


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


def to_mm(points: np.ndarray, grid: Grid) -> np.ndarray:
    """Index offsets (n, 3) as LPS mm relative to the block's first voxel, float64."""
    axes = np.array(grid.affine, np.float64)[:3, :3]
    # Written out: BLAS starts its threads for this.
    return np.asarray(sum(points[:, axis, None] * axes[:, axis] for axis in range(3)))


def _origin(block: Block, grid: Grid) -> np.ndarray:
    """LPS mm of the block's first voxel."""
    affine = np.array(grid.affine, np.float64)
    return affine[:3, :3] @ block.offset + affine[:3, 3]

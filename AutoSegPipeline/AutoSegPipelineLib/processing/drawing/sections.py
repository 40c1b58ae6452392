"""Three slices of a case for its picture: axial, coronal and sagittal, as radiologists look at them.

They are cut along the patient's axes, also where the voxels lie obliquely, with square pixels. The scan
is shown in its usual window with the structures over it; without a scan their labels on black.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence

import numpy as np

from ..anatomy import SOFT_GROUPS, is_soft
from .places import key_place, sampled_places, structures_box, voxel_centre, with_surroundings
from .sheet import Letters, plan_sheet

if TYPE_CHECKING:
    from ...core.segmentation import Grid, Segment, Segmentation
    from ..measure import Measured
    from ..volume import Volume

GLASS_BELOW = 0.7  # opacity
_LINE = 1.3  # pixels that an outline reaches inwards
# Of fill and outline, for what one wants to see and for what wraps it: over a scan, and alone on black.
_OVER_SCAN = ((0.26, 1.0), (0.0, 0.55))
_ALONE = ((0.80, 1.0), (0.22, 0.8))


@dataclass(frozen=True)
class Plane:
    """A slice's name, the LPS axes that run to the right and downwards with their signs, and its letters."""

    name: str
    right: tuple[int, int]
    down: tuple[int, int]
    letters: Letters


PLANES = (
    Plane("axial", (0, 1), (1, 1), ("R", "L", "A", "P")),
    Plane("coronal", (0, 1), (2, -1), ("R", "L", "S", "I")),
    Plane("sagittal", (1, 1), (2, -1), ("A", "P", "S", "I")),
)


@dataclass(frozen=True, eq=False)
class Sections:
    """The slices in the order of :data:`PLANES`, uint8 (row, column, 3), and the scale of the picture.

    ``in_a_row`` is how the picture's panels are arranged, ``place`` (LPS mm) where the slices meet,
    ``window`` says for people how the scan is shown and is empty without one.
    """

    images: tuple[np.ndarray, ...]
    mm_per_pixel: float
    in_a_row: bool
    place: tuple[float, ...]
    window: str


@dataclass(frozen=True, eq=False)
class _Look:
    """How the structures are painted, by rank (0 is none): ``tables`` of each layer give a label's rank."""

    tables: list[np.ndarray]
    colours: np.ndarray
    fills: np.ndarray
    lines: np.ndarray


def make_sections(
    segmentation: Segmentation, measured: Sequence[Measured], volume: Volume | None, modality: str
) -> Sections:
    """Cut the slices; ``measured`` are all structures of ``segmentation`` that have voxels."""
    grid = segmentation.grid
    structures = [sampled_places(segmentation, one) for one in measured]
    seen = {segment.name for segment in firm_segments(segmentation.segments)}
    firm = [points for one, points in zip(measured, structures) if one.name in seen]
    place = voxel_centre(grid, key_place(firm or structures))
    inner = structures_box(grid, measured, structures)
    low, high = with_surroundings(grid, *inner)
    mm_per_pixel, in_a_row = plan_sheet(inner[1] - inner[0], high - low)
    cuts = [_coordinates(grid, plane, place, low, high, mm_per_pixel) for plane in PLANES]
    greys, window = _windowed(volume, cuts, modality, measured)
    look = _look(segmentation, seen, volume is not None)
    images = []
    for plane, cut, grey in zip(PLANES, cuts, greys):
        blur = [_voxel_mm(grid, axis) / 2 / mm_per_pixel for axis in (plane.down[0], plane.right[0])]
        images.append(_painted(grey, _ranks(segmentation, look.tables, cut, blur), look))
    return Sections(tuple(images), mm_per_pixel, in_a_row, tuple(float(x) for x in place), window)


def firm_segments(segments: Sequence[Segment]) -> list[Segment]:
    """What one wants to see, without the tissue that wraps it; all where there is nothing else."""
    return [s for s in segments if not is_soft(s) and s.opacity >= GLASS_BELOW] or list(segments)


def _coordinates(
    grid: Grid, plane: Plane, place: np.ndarray, low: np.ndarray, high: np.ndarray, mm_per_pixel: float
) -> np.ndarray:
    """The voxel index (k, j, i) of each pixel of a slice through ``place``, float (3, row, column)."""
    axes = []
    for axis, sign in (plane.down, plane.right):
        count = max(round(float(high[axis] - low[axis]) / mm_per_pixel), 1)
        along = (np.arange(count) + 0.5) * mm_per_pixel
        axes.append(low[axis] + along if sign > 0 else high[axis] - along)
    inverse = np.linalg.inv(np.asarray(grid.affine))
    steps, start = inverse[:3, :3], inverse[:3, :3] @ place + inverse[:3, 3]
    down, right = plane.down[0], plane.right[0]
    rows = np.outer(steps[:, down], axes[0] - place[down])
    columns = np.outer(steps[:, right], axes[1] - place[right])
    return (start[:, None, None] + rows[:, :, None] + columns[:, None, :])[::-1]


def _voxel_mm(grid: Grid, axis: int) -> float:
    """How long a voxel is along an LPS axis."""
    inverse = np.linalg.inv(np.asarray(grid.affine)[:3, :3])
    return 1.0 / float(np.abs(inverse[:, axis]).max())


def _inside(cut: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    ends = np.array(shape)[:, None, None] - 0.5
    return np.asarray(((cut > -0.5) & (cut < ends)).all(axis=0))


def _windowed(
    volume: Volume | None, cuts: Sequence[np.ndarray], modality: str, measured: Sequence[Measured]
) -> tuple[list[np.ndarray], str]:
    """The scan in each slice in grey, 0 to 1, and what its window is called."""
    if volume is None:
        return [np.zeros(cut.shape[1:], np.float32) for cut in cuts], ""
    from scipy.ndimage import map_coordinates

    planes = [map_coordinates(volume.array, cut, np.float32, order=1, mode="nearest") for cut in cuts]
    inside = [_inside(cut, volume.grid.array_shape) for cut in cuts]
    if modality == "CT":
        low, high, name = ct_window(measured)
        text = f"{name} window, {low:.0f} to {high:.0f} HU".replace("-", "\u2212")
    else:
        values = np.concatenate([plane[there] for plane, there in zip(planes, inside)])
        low, high = np.percentile(values, (1.0, 99.5)) if len(values) else (0.0, 1.0)
        text = "from the darkest to the brightest values"
    scale = 1.0 / max(high - low, 1e-6)
    return [
        np.where(there, np.clip((plane - low) * scale, 0.0, 1.0), 0.0) for plane, there in zip(planes, inside)
    ], text


def ct_window(measured: Sequence[Measured]) -> tuple[float, float, str]:
    """Lowest and highest HU of the window for what was mostly found, and its name: the viewer's, too."""
    firm = [one for one in measured if one.group not in SOFT_GROUPS]
    total = sum(one.volume_ml for one in firm)
    if sum(one.volume_ml for one in firm if "brain" in one.name) > 0.5 * total:
        return 0.0, 80.0, "brain"
    if firm and all("lung" in one.name or one.group == "airways" for one in firm):
        return -1350.0, 150.0, "lung"
    if firm and all(one.group == "bones" for one in firm):
        return -450.0, 1050.0, "bone"
    return -160.0, 240.0, "soft tissue"


def _look(segmentation: Segmentation, firm: set[str], over_scan: bool) -> _Look:
    segments = segmentation.segments
    order = sorted(range(len(segments)), key=lambda n: (segments[n].priority, n))
    tables = [np.zeros(int(layer.max()) + 1, np.int32) for layer in segmentation.layers]
    colours, strengths = [(0.0, 0.0, 0.0)], [(0.0, 0.0)]
    for rank, number in enumerate(order, start=1):
        segment = segments[number]
        tables[segment.layer][segment.value] = rank
        colours.append(segment.colour)
        strengths.append((_OVER_SCAN if over_scan else _ALONE)[segment.name not in firm])
    fills, lines = np.array(strengths, np.float32).T
    return _Look(tables, np.array(colours, np.float32), fills, lines)


def _ranks(
    segmentation: Segmentation, tables: Sequence[np.ndarray], cut: np.ndarray, blur: Sequence[float]
) -> np.ndarray:
    """The topmost structure of each pixel, with the steps between voxels smoothed away."""
    inside = _inside(cut, segmentation.grid.array_shape)
    k, j, i = np.rint(cut[:, inside]).astype(np.intp)
    ranks = np.zeros(cut.shape[1:], np.int32)
    for layer, table in zip(segmentation.layers, tables):
        ranks[inside] = np.maximum(ranks[inside], table[layer[k, j, i]])
    return smoothed(ranks, blur)


def smoothed(ranks: np.ndarray, blur: Sequence[float]) -> np.ndarray:
    """Each pixel gets the number that weighs most around it; ``blur`` is in pixels, (row, column)."""
    from scipy.ndimage import find_objects, gaussian_filter

    out = np.zeros_like(ranks)
    most = gaussian_filter((ranks == 0).astype(np.float32), blur)
    reach = [int(4 * one) + 1 for one in blur]
    for rank, box in enumerate(find_objects(ranks), start=1):
        if box is None:
            continue
        wide = tuple(slice(max(s.start - r, 0), s.stop + r) for s, r in zip(box, reach))
        weight = gaussian_filter((ranks[wide] == rank).astype(np.float32), blur)
        better = weight > most[wide]
        most[wide][better] = weight[better]
        out[wide][better] = rank
    return out


def _painted(grey: np.ndarray, ranks: np.ndarray, look: _Look) -> np.ndarray:
    """The structures over the scan: filled faintly, with a line along the inside of their edges."""
    from scipy.ndimage import gaussian_filter

    edge = np.zeros(ranks.shape, np.float32)
    for axis in (0, 1):
        differs = np.diff(ranks, axis=axis) != 0
        first = [slice(None), slice(None)]
        second = [slice(None), slice(None)]
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        edge[tuple(first)] += differs
        edge[tuple(second)] += differs
    line = np.minimum(gaussian_filter(np.minimum(edge, 1.0), _LINE / 2) * 2.2, 1.0)
    colours = look.colours[ranks]
    image = np.repeat(grey[..., None], 3, axis=-1)
    for strength in (look.fills[ranks], look.lines[ranks] * line):
        image += strength[..., None] * (colours - image)
    return np.asarray(np.rint(image * 255), np.uint8)

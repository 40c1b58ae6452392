"""Bones, the spine's line, and what lies inside the muscle wall."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .frame import Frame
from .morphology import close, components, distance_inside, fill_axial, grow, keep, shrink

BONE_HU, _BONE_CORE_HU, _CORTEX_HU = 130.0, 220.0, 320.0
LEAN_HU = -30.0
_WALL_MM = 15.0  # thickness of the muscle wall in front and at the sides of a trunk of 450 cm²


def find_bones(frame: Frame, body: np.ndarray) -> np.ndarray:
    """Bones with their marrow: dense cores grown into what is still denser than tissue."""
    dense = (frame.hu > BONE_HU) & body
    labels, counts = components(dense)
    peak = np.zeros(len(counts), np.float32)
    np.maximum.at(peak, labels[dense], frame.hu[dense])
    wanted = (peak > _BONE_CORE_HU) & (counts * frame.ml >= 0.3)
    wanted[0] = False
    # A large piece without cortex is contrast medium: a kidney, a bladder, bowel.
    boxes = ndimage.find_objects(labels)
    for label in np.flatnonzero(wanted & (counts * frame.ml > 5.0)):
        box = boxes[label - 1]
        wanted[label] = np.quantile(frame.hu[box][labels[box] == label], 0.98) > _CORTEX_HU
    return _fill_marrow(frame, keep(labels, wanted))


def _fill_marrow(frame: Frame, bones: np.ndarray) -> np.ndarray:
    """Fill enclosed marrow (fatty, or denser than soft tissue) but not the spinal canal or skull.

    The cortex of a vertebra is thinner than the coarse elements and has gaps; they are bridged.
    """
    filled = bones.copy()
    for z, plane in enumerate(bones):
        if not plane.any():
            continue
        lid = ndimage.binary_closing(np.pad(plane, 2), iterations=2)
        holes = ndimage.binary_fill_holes(lid)[2:-2, 2:-2] & ~plane
        labels, count = ndimage.label(holes)
        if not count:
            continue
        numbers = np.arange(1, count + 1)
        mean = ndimage.mean(frame.hu[z], labels, numbers)
        area = ndimage.sum_labels(holes, labels, numbers) * frame.spacing**2
        marrow = (area < 900.0) & ((mean < -15.0) & (mean > -200.0) | (mean > 70.0) | (area < 60.0))
        filled[z] |= np.concatenate([[False], marrow])[labels]
    return filled


def find_midline(frame: Frame, bones: np.ndarray, body: np.ndarray) -> np.ndarray | None:
    """x index of the spine at each z (shape (z,)), None when there is no spine.

    A spine is the bone of largest section near the middle of the body, seen
    in most slices at nearly the same place.
    """
    spots: list[tuple[int, float]] = []
    for z in range(bones.shape[0]):
        spot = _vertebra(frame, bones[z] & frame.inside[z], body[z] & frame.inside[z])
        if spot is not None:
            spots.append((z, spot))
    if len(spots) < max(4, 0.4 * bones.shape[0]) or len(spots) * frame.spacing < 15.0:
        return None
    heights, places = (np.array(column, dtype=float) for column in zip(*spots))
    size = max(3, int(30.0 / frame.spacing) | 1)
    smooth = ndimage.median_filter(places, size=min(size, len(places)), mode="nearest")
    if np.median(np.abs(places - smooth)) * frame.spacing > 12.0:
        return None
    return np.interp(np.arange(bones.shape[0]), heights, smooth)


def _vertebra(frame: Frame, bones: np.ndarray, body: np.ndarray) -> float | None:
    columns, rows = np.flatnonzero(body.any(axis=0)), np.flatnonzero(body.any(axis=1))
    if not len(columns):
        return None
    middle, half = (columns[0] + columns[-1]) / 2.0, (columns[-1] - columns[0] + 1) / 2.0
    front = rows[0] + 0.35 * (rows[-1] - rows[0])
    labels, _ = ndimage.label(ndimage.binary_closing(bones, iterations=1))
    best, largest = None, 350.0  # mm², less than any thoracic vertebra
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels[box] == label
        y, x = ndimage.center_of_mass(piece)
        y, x = y + box[0].start, x + box[1].start
        area = piece.sum() * frame.spacing**2
        if area > largest and y > front and abs(x - middle) < 0.4 * half + 20.0 / frame.spacing:
            best, largest = _deepest(piece) + box[1].start, area
    return best


def _deepest(piece: np.ndarray) -> float:
    """x of the deepest element (the vertebral body, not a rib that touches it)."""
    depth = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1]
    deep = depth >= 0.8 * depth.max()
    return float(np.argwhere(deep)[:, 1].mean())


def find_inner(frame: Frame, body: np.ndarray, bones: np.ndarray, hollow: np.ndarray) -> np.ndarray:
    """What lies inside the outer fascia: everything but skin and the fat under it.

    Lean tissue deeper than the skin, its gaps bridged and its holes filled;
    thin strands (vessels and septa of the fat) do not count.
    """
    depth = distance_inside(body, frame.spacing)
    lean = ((frame.hu > LEAN_HU) & (depth > max(4.0, 1.2 * frame.spacing))) | bones | hollow
    core = grow(shrink(lean, 3.5, frame.spacing), 4.5, frame.spacing) & lean
    labels, counts = components(core)
    if len(counts) < 2:
        return hollow | bones
    counts[0] = 0
    core = keep(labels, counts >= max(0.02 * counts.max(), 20.0 / frame.ml)) | hollow | bones
    closed = close(core, 12.0, frame.spacing)
    return fill_axial(closed) & body & (depth > 0.5 * frame.spacing)


def find_muscle_zone(
    frame: Frame, inner: np.ndarray, bones: np.ndarray, air: np.ndarray, midline: np.ndarray | None
) -> np.ndarray | None:
    """Where lean tissue is muscle; None when that cannot be decided (a head, for one).

    Of a trunk: the outer wall, what lies between and outside the ribs, and
    the back beside and behind the spine. Of a limb: everything.
    """
    areas = inner.sum(axis=(1, 2)) * frame.spacing**2
    area = float(np.median(areas[areas > 0])) if (areas > 0).any() else 0.0
    trunk = midline is not None and (area > 22000.0 or frame.volume_ml(air) > 30.0)
    if not trunk or midline is None:
        limb = area < 45000.0 and not air.any() and _enclosed(frame, bones) < 20.0
        return inner.copy() if limb and bones.any() else None
    thickness = _WALL_MM * float(np.clip(np.sqrt(area / 45000.0), 0.5, 1.2))
    zone = inner & (distance_inside(inner, frame.spacing) <= thickness)
    x = np.arange(inner.shape[2])
    y = np.arange(inner.shape[1])
    back = _back(frame, bones, midline)
    behind = y[None, :, None] >= back[:, None, None]
    beside = np.abs(x[None, None, :] - midline[:, None, None]) * frame.spacing < 65.0
    zone |= inner & behind & beside
    return zone & ~grow(air, 4.0, frame.spacing) if air.any() else zone


def _enclosed(frame: Frame, bones: np.ndarray) -> float:
    """Millilitres enclosed by bone in axial slices: a skull's brain."""
    return float((fill_axial(bones) & ~bones).sum()) * frame.ml


def _back(frame: Frame, bones: np.ndarray, midline: np.ndarray) -> np.ndarray:
    """y index of the spinal canal at each z: the middle of the bone near the midline."""
    reach = max(2, round(18.0 / frame.spacing))
    places = np.full(bones.shape[0], np.nan)
    for z, centre in enumerate(midline):
        low = max(0, int(centre) - reach)
        band = bones[z, bones.shape[1] // 3 :, low : int(centre) + reach + 1]
        weight = band.sum(axis=1)
        if weight.sum() * frame.spacing**2 > 250.0:
            rows = np.flatnonzero(weight >= 0.5 * weight.max())
            places[z] = rows[-1] + bones.shape[1] // 3
    known = np.flatnonzero(np.isfinite(places))
    if not len(known):
        return np.full(bones.shape[0], float(bones.shape[1]))
    smooth = ndimage.median_filter(places[known], size=min(9, len(known)), mode="nearest")
    return np.interp(np.arange(bones.shape[0]), known, smooth)

"""Lungs and airways, and which lung is which."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from .body import Cut
from .frame import Frame
from .morphology import close, components, distance_inside, fill_axial, grow, keep

AIR_HU = -400.0
_GAS_HU = -950.0  # gas is darker; parenchyma holds blood and tissue
_WITHIN_ML, _CUT_ML = 80.0, 12.0  # smallest lung that lies within the scan, and at its edge
_AIRWAYS_ML = 250.0  # more than this is not airways but a leak into the lungs
_LUMEN_HU = (-900.0, -920.0, -940.0, -960.0, -975.0)


@dataclass
class Air:
    """What of the air in the body is what; masks on the frame."""

    left: np.ndarray
    right: np.ndarray
    airways: np.ndarray
    gas: np.ndarray
    warnings: list[dict[str, str]] = field(default_factory=list)


def find_air(frame: Frame, body: np.ndarray, midline: np.ndarray | None, cut: Cut) -> Air:
    """Lungs, airways and other gas of ``body``.

    ``midline`` is the x index of the spine at each z, None where no spine was
    found; ``cut`` says where the field of view ends within the body. What is
    not certain stands in ``warnings``.
    """
    air = (frame.hu < AIR_HU) & body
    lungs = _lung_like(frame, air)
    warnings: list[dict[str, str]] = []
    airways = np.zeros_like(body)
    if lungs.any():
        airways = _airways(frame, air, lungs, midline)
        lungs = _lung_like(frame, air & ~airways) if airways.any() else lungs
    left, right = _sides(frame, lungs, body, midline, cut, warnings)
    filled = close(left | right, 4.5, frame.spacing) if lungs.any() else lungs
    filled = (fill_axial(filled) if lungs.any() else filled) & body & ~airways & (frame.hu < 150)
    owner = _nearest(left, right)
    return Air(
        left | (filled & (owner == 1)),
        right | (filled & (owner == 2)),
        airways,
        _gas(frame, air & ~filled & ~airways & ~lungs),
        warnings,
    )


def _gas(frame: Frame, rest: np.ndarray) -> np.ndarray:
    """Of the air that is neither lung nor airway what has a dark middle; the rest is partial volume."""
    labels, counts = components(rest)
    darkest = np.zeros(len(counts), np.float32)
    np.minimum.at(darkest, labels[rest], frame.hu[rest])
    return keep(labels, darkest < -700.0)


def _lung_like(frame: Frame, air: np.ndarray) -> np.ndarray:
    """The pieces of air that have the size and the density of lung parenchyma."""
    labels, counts = components(air)
    wanted = np.zeros(len(counts), bool)
    depth = distance_inside(air, frame.spacing)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        size = counts[label] * frame.ml
        if box is None or size < _CUT_ML:
            continue
        piece = labels[box] == label
        at_edge = box[0].start == 0 or box[0].stop == air.shape[0] or not frame.inside[box][piece].all()
        if size < _WITHIN_ML and not at_edge:
            continue
        values, deep = frame.hu[box][piece], depth[box][piece]
        core = values[deep >= np.quantile(deep, 0.7)]
        wanted[label] = np.mean(values < _GAS_HU) < 0.5 and np.median(core) > _GAS_HU
    return keep(labels, wanted)


def _airways(frame: Frame, air: np.ndarray, lungs: np.ndarray, midline: np.ndarray | None) -> np.ndarray:
    """Lumen of trachea and main bronchi, grown from the trachea until it would leak."""
    seed = _trachea(frame, air, lungs, midline)
    if seed is None:
        return np.zeros_like(air)
    for threshold in _LUMEN_HU:
        labels, counts = components(air & (frame.hu < threshold))
        label = labels[seed]
        if label and 1.0 <= counts[label] * frame.ml <= _AIRWAYS_ML:
            lumen = labels == label
            # The wall's partial volume is air too; the lungs' own voxels are not taken.
            rim = ndimage.binary_dilation(lumen) & air & (frame.hu < -600)
            return lumen | (rim & ~_thick(lungs & ~lumen, frame.spacing))
    return np.zeros_like(air)


def _thick(mask: np.ndarray, spacing: float) -> np.ndarray:
    """The part of ``mask`` that an opening of 4 mm leaves."""
    return grow(distance_inside(mask, spacing) > 4.0, 4.0, spacing) & mask


def _trachea(
    frame: Frame, air: np.ndarray, lungs: np.ndarray, midline: np.ndarray | None
) -> tuple[int, int, int] | None:
    """An element of the trachea: a round hole near the midline, seen through at least 12 mm."""
    where = np.flatnonzero(lungs.any(axis=(1, 2)))
    span = np.flatnonzero(lungs.any(axis=(0, 1)))
    centre = float(span.mean()) if midline is None else float(np.median(midline))
    bottom = int(where[0] + 0.4 * (where[-1] - where[0]))
    chain: list[tuple[int, int, int]] = []
    for z in range(air.shape[0] - 1, bottom, -1):
        spot = _round_hole(frame, air[z] & (frame.hu[z] < -850), z, centre, chain[-1] if chain else None)
        if spot is None:
            chain = []
            continue
        chain.append(spot)
        if len(chain) * frame.spacing >= 12.0:
            return chain[len(chain) // 2]
    return None


def _round_hole(
    frame: Frame, plane: np.ndarray, z: int, centre: float, above: tuple[int, int, int] | None
) -> tuple[int, int, int] | None:
    labels, _ = ndimage.label(plane)
    best, nearest = None, 35.0
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels[box] == label
        area = piece.sum() * frame.spacing**2
        height, width = (piece.shape[n] * frame.spacing for n in (0, 1))
        if not 40.0 <= area <= 900.0 or max(height, width) > 45.0 or piece.mean() < 0.5:
            continue
        y, x = ndimage.center_of_mass(piece)
        y, x = y + box[0].start, x + box[1].start
        off = abs(x - centre) * frame.spacing
        if above is not None:
            off += float(np.hypot(y - above[1], x - above[2])) * frame.spacing
        spot = (z, round(y), round(x))
        if off < nearest and plane[spot[1], spot[2]]:
            best, nearest = spot, off
    return best


def _sides(
    frame: Frame,
    lungs: np.ndarray,
    body: np.ndarray,
    midline: np.ndarray | None,
    cut: Cut,
    warnings: list[dict[str, str]],
) -> tuple[np.ndarray, np.ndarray]:
    """Left and right lung; pieces that touch in front or behind the mediastinum are parted."""
    nothing = np.zeros_like(lungs)
    if not lungs.any():
        return nothing, nothing
    middle = midline if midline is not None else _middle(frame, body, cut)
    x = np.arange(lungs.shape[2])
    beyond = x[None, None, :] > middle[:, None, None]  # to the patient's left
    labels, counts = components(lungs)
    total = np.bincount(labels[lungs], minlength=len(counts))
    lefts = np.bincount(labels[lungs & beyond], minlength=len(counts))
    share = lefts / np.maximum(total, 1)
    left, right = keep(labels, (share >= 0.85) & (total > 0)), keep(labels, (share <= 0.15) & (total > 0))
    for label in np.flatnonzero((share > 0.15) & (share < 0.85) & (total > 0)):
        one, other = _part(labels == label, beyond, frame.spacing)
        left, right = left | one, right | other
    if midline is None and (cut.left or cut.right or not (left.any() and right.any())):
        warnings.append(
            {
                "code": "engine.side_not_verified",
                "message": "No spine is in the scan; which lung is the left one was taken from the "
                "outline of the body. Side not verified.",
            }
        )
    return left, right


def _part(piece: np.ndarray, beyond: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Part one connected piece into left and right at its narrowest places.

    The piece is shrunk until what is left of it falls into parts that lie on
    one side each; the rest goes to the part that floods it first.
    """
    depth = distance_inside(piece, spacing)
    for mm in np.arange(1.0, 8.0) * spacing:
        labels, counts = components(depth > mm)
        if len(counts) < 3:
            continue
        inside = depth > mm
        share = np.bincount(labels[inside & beyond], minlength=len(counts)) / np.maximum(counts, 1)
        size = counts / max(int(inside.sum()), 1)
        lefts, rights = share >= 0.8, share <= 0.2
        lefts[0] = rights[0] = False
        if size[lefts].sum() > 0.15 and size[rights].sum() > 0.15 and size[lefts | rights].sum() > 0.9:
            markers = keep(labels, lefts).astype(np.int16) + 2 * keep(labels, rights).astype(np.int16)
            cost = np.clip(255.0 - depth * (255.0 / depth.max()), 0, 254).astype(np.uint8)
            cost[~piece] = 255
            markers[~piece] = -1
            flooded = ndimage.watershed_ift(cost, markers)
            return piece & (flooded == 1), piece & (flooded == 2)
    return piece & beyond, piece & ~beyond


def _middle(frame: Frame, body: np.ndarray, cut: Cut) -> np.ndarray:
    """x index of the median plane at each z where there is no spine: the middle of the body.

    Where one side is cut off and too little is left for a whole trunk, the
    median plane is taken to be near the cut.
    """
    seen = body & frame.inside
    span, depth = np.flatnonzero(seen.any(axis=(0, 1))), np.flatnonzero(seen.any(axis=(0, 2)))
    middle = (span[0] + span[-1]) / 2.0
    half_a_trunk = len(span) < 1.15 * len(depth)
    if half_a_trunk and cut.left != cut.right:
        middle = float(span[-1] if cut.left else span[0])
    return np.full(body.shape[0], middle)


def _nearest(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where the left lung is nearest, 2 where the right one is, 0 when there is none."""
    if not left.any() or not right.any():
        return np.full(left.shape, 1 if left.any() else 2 if right.any() else 0, np.uint8)
    both = np.where(left, 1, np.where(right, 2, 0)).astype(np.uint8)
    indices = ndimage.distance_transform_edt(both == 0, return_distances=False, return_indices=True)
    return both[tuple(indices)]

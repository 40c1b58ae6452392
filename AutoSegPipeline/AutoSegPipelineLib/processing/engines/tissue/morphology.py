"""Morphology with lengths in millimetres on the coarse frame.

Growing and shrinking go through distance maps, whose cost does not depend on
the radius. The border of the array is no wall: what a scan cuts stays open.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def _box(mask: np.ndarray, margin: int) -> tuple[slice, ...]:
    """The bounding box of ``mask``, wider by ``margin`` elements where the array allows."""
    slices = []
    for axis in range(mask.ndim):
        found = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        slices.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + 1 + margin))
    return tuple(slices)


def distance_inside(mask: np.ndarray, spacing: float) -> np.ndarray:
    """Distance in mm of each element of ``mask`` to the nearest outside it; 0 outside."""
    distance = np.zeros(mask.shape, np.float32)
    if mask.all():
        distance[...] = 1e6
    elif mask.any():
        # One element around the mask's box is enough: whatever lies farther is no nearer.
        box = _box(mask, 1)
        distance[box] = ndimage.distance_transform_edt(mask[box]) * spacing
    return distance


def grow(mask: np.ndarray, mm: float, spacing: float) -> np.ndarray:
    """All elements within ``mm`` of ``mask``."""
    grown = mask.copy()
    if mask.any() and not mask.all():
        box = _box(mask, int(np.ceil(mm / spacing)))
        if not mask[box].all():
            grown[box] = ndimage.distance_transform_edt(~mask[box]) * spacing <= mm
    return grown


def shrink(mask: np.ndarray, mm: float, spacing: float) -> np.ndarray:
    """The elements of ``mask`` that lie deeper than ``mm``."""
    return distance_inside(mask, spacing) > mm


def close(mask: np.ndarray, mm: float, spacing: float) -> np.ndarray:
    """Closing with a ball: gaps narrower than twice ``mm`` are bridged."""
    return mask | shrink(grow(mask, mm, spacing), mm, spacing)


def fill_axial(mask: np.ndarray) -> np.ndarray:
    """Fill what is enclosed in each axial slice."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Connected components (by faces): labels, and the count of elements of each label."""
    labels, _ = ndimage.label(mask)
    return labels, np.bincount(labels.ravel())


def keep(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The union of the labels for which ``wanted[label]`` is True."""
    return wanted[labels]

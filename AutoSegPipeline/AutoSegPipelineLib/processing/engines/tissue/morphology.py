"""Morphology with lengths in millimetres on the coarse frame.

Growing and shrinking go through distance maps, whose cost does not depend on
the radius. The border of the array is no wall: what a scan cuts stays open.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def distance_inside(mask: np.ndarray, spacing: float) -> np.ndarray:
    """Distance in mm of each element of ``mask`` to the nearest outside it; 0 outside."""
    if mask.all():
        return np.full(mask.shape, np.float32(1e6))
    return ndimage.distance_transform_edt(mask).astype(np.float32) * np.float32(spacing)


def grow(mask: np.ndarray, mm: float, spacing: float) -> np.ndarray:
    """All elements within ``mm`` of ``mask``."""
    if not mask.any():
        return mask.copy()
    return distance_inside(~mask, spacing) <= mm


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

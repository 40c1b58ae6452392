"""The package's connected components, counted once.

``totalsegmentator.postprocessing`` compares the complete scan with the number of each component in turn: a
minute for a noisy label map of clinical size. One histogram of a structure's own box says the same.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np


def largest(data: np.ndarray, debug: bool = False) -> np.ndarray:
    """As ``keep_largest_blob``: 1 in the largest component of the mask ``data``, the first of equals."""
    found = np.zeros(data.shape, dtype=np.uint8)
    box, components, sizes = _components(data)
    if len(sizes) > 1:
        found[box] = components == 1 + np.argmax(sizes[1:])
    return found


def without_small(img: np.ndarray, interval: Sequence[float] = (10, 30), debug: bool = False) -> np.ndarray:
    """As ``remove_small_blobs``: 1 in components above the first size of ``interval``, up to the second."""
    found = np.zeros(img.shape, dtype=np.uint8)
    box, components, sizes = _components(img)
    keep = (sizes > interval[0]) & (sizes <= interval[1])
    keep[0] = False
    found[box] = keep[components]
    return found


def _components(mask: np.ndarray) -> tuple[tuple[slice, ...], np.ndarray, np.ndarray]:
    """The box around ``mask``, its components there, numbered from 1 as they come, and the voxels of each
    number; faces connect, edges do not."""
    from scipy import ndimage

    box = tuple(_extent(mask, axis) for axis in range(mask.ndim))
    components, count = ndimage.label(mask[box])
    return box, components, np.bincount(components.reshape(-1), minlength=count + 1)


def _extent(mask: np.ndarray, axis: int) -> slice:
    there = np.flatnonzero(np.any(mask, axis=tuple(other for other in range(mask.ndim) if other != axis)))
    return slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 0)

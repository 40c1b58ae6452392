"""Depth cues that a picture of surfaces gets from its depths: shade in hollows, dimness far away."""

from __future__ import annotations

import numpy as np

_DIRECTIONS = ((1.0, 0.0), (0.0, 1.0), (0.707, 0.707), (0.707, -0.707))  # each also backwards
_RADII_MM = (2.2, 4.4, 8.0, 14.0, 24.0)
_SHADE, _DIM, _GAIN = 0.8, 0.2, 1.12


def shaded(image: np.ndarray, depth: np.ndarray, mm_per_pixel: float) -> np.ndarray:
    """``image`` (uint8 row, column, 3) with its shade; ``depth`` is mm from the eye, infinite for nothing."""
    there = np.isfinite(depth)
    if not there.any():
        return image
    near, far = float(depth[there].min()), float(depth[there].max())
    light = _GAIN * (1.0 - _SHADE * occlusion(depth, mm_per_pixel))
    light *= 1.0 - _DIM * (np.where(there, depth, near) - near) / max(far - near, 1e-6)
    lit = np.minimum(image * light[..., None], 255.0)
    return np.asarray(np.where(there[..., None], lit, image), np.uint8)


def occlusion(depth: np.ndarray, mm_per_pixel: float) -> np.ndarray:
    """How much of the light from around does not reach a pixel, 0 to 1, float32.

    Horizon-based ambient occlusion (Bavoil, Sainz, Dimitrov 2008) in the direction of sight: along each
    direction and its opposite the sines of the two horizons are added, so that a slope alone gives no shade.
    """
    far = float(depth[np.isfinite(depth)].max()) + 1000.0
    height = -np.where(np.isfinite(depth), depth, far).astype(np.float32)
    total = np.zeros(height.shape, np.float32)
    for across, down in _DIRECTIONS:
        both = _horizon(height, across, down, mm_per_pixel)
        both += _horizon(height, -across, -down, mm_per_pixel)
        total += np.maximum(both, 0.0)
    return total / (2 * len(_DIRECTIONS))


def _horizon(height: np.ndarray, across: float, down: float, mm_per_pixel: float) -> np.ndarray:
    """The sine of the highest angle under which anything is seen in one direction, nearby counts most."""
    steepest = np.full(height.shape, -1.0, np.float32)
    seen = set()
    for radius in _RADII_MM:
        pixels = radius / mm_per_pixel
        x, y = round(across * pixels), round(down * pixels)
        if (x, y) == (0, 0) or (x, y) in seen or abs(x) >= height.shape[1] or abs(y) >= height.shape[0]:
            continue
        seen.add((x, y))
        here, there = _overlap(height.shape, x, y)
        slope = (height[there] - height[here]) / np.float32(np.hypot(x, y) * mm_per_pixel)
        fading = np.float32(1.0 - 0.6 * radius / _RADII_MM[-1])
        sine = slope / np.sqrt(1.0 + slope * slope)
        np.maximum(steepest[here], np.where(sine > 0, sine * fading, sine), out=steepest[here])
    return steepest


def _overlap(shape: tuple[int, ...], x: int, y: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a neighbour ``x`` columns and ``y`` rows away, and these neighbours."""
    rows, columns = shape
    here = slice(max(0, -y), rows - max(0, y)), slice(max(0, -x), columns - max(0, x))
    there = slice(max(0, y), rows - max(0, -y)), slice(max(0, x), columns - max(0, -x))
    return here, there

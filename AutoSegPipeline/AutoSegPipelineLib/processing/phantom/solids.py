"""Solids given by formulas in LPS millimetres, from which phantoms are built.

A solid tells for any point whether it lies inside; so the same anatomy can be
drawn on any grid, however it is turned, flipped or stretched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterator, Protocol, Tuple

import numpy as np

from ...core.segmentation import Grid

Point = Tuple[float, float, float]
Box = Tuple[Point, Point]
_INFINITE = 1e9


class Solid(Protocol):
    """Something with an inside."""

    def box(self) -> Box:
        """Lowest and highest corner of a box around it, mm."""

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Boolean array: which of the points (arrays that broadcast, mm) lie inside."""


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid along the body's axes; what lies below the plane ``floor`` is cut off."""

    centre: Point
    semi: Point
    floor: float = -_INFINITE

    def box(self) -> Box:
        low, high = (tuple(c + s * e for c, e in zip(self.centre, self.semi)) for s in (-1, 1))
        return (low[0], low[1], max(low[2], self.floor)), (high[0], high[1], high[2])

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        (cx, cy, cz), (a, b, c) = self.centre, self.semi
        within = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + ((z - cz) / c) ** 2 <= 1.0
        return within & (z >= self.floor) if self.floor > -_INFINITE else within

    def volume(self) -> float:
        """Exact volume in mm³ of the ellipsoid above its floor (a spheroidal cap, in closed form)."""
        a, b, c = self.semi
        t = min(1.0, max(-1.0, (self.floor - self.centre[2]) / c))
        return math.pi * a * b * c * (2.0 / 3.0 - t + t**3 / 3.0)

    def centroid(self) -> Point:
        """Exact centre of mass in mm."""
        c = self.semi[2]
        t = min(1.0, max(-1.0, (self.floor - self.centre[2]) / c))
        lift = 0.25 * (1.0 - t * t) ** 2 / (2.0 / 3.0 - t + t**3 / 3.0) if t < 1.0 else 0.0
        return (self.centre[0], self.centre[1], self.centre[2] + c * lift)


@dataclass(frozen=True)
class Capsule:
    """All points within ``radius`` of the straight line from ``start`` to ``end``."""

    start: Point
    end: Point
    radius: float

    def box(self) -> Box:
        low, high = (
            tuple(pick(a, b) + sign * self.radius for a, b in zip(self.start, self.end))
            for pick, sign in ((min, -1), (max, 1))
        )
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        (ax, ay, az), (bx, by, bz) = self.start, self.end
        dx, dy, dz = bx - ax, by - ay, bz - az
        along = ((x - ax) * dx + (y - ay) * dy + (z - az) * dz) / (dx * dx + dy * dy + dz * dz)
        t = np.clip(along, 0.0, 1.0)
        off = (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2 + (z - az - t * dz) ** 2
        return off <= self.radius**2


@dataclass(frozen=True)
class Column:
    """An upright cylinder between two heights, with an optional bore."""

    axis: tuple[float, float]
    radius: float
    low: float
    high: float
    bore: float = 0.0

    def box(self) -> Box:
        (x, y), r = self.axis, self.radius
        return (x - r, y - r, self.low), (x + r, y + r, self.high)

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        off = (x - self.axis[0]) ** 2 + (y - self.axis[1]) ** 2
        ring = (off <= self.radius**2) & (off >= self.bore**2)
        return ring & (z >= self.low) & (z <= self.high)


@dataclass(frozen=True)
class Rib:
    """A tube along an ellipse around the trunk, tilted so that its front hangs lower.

    ``front`` is the most anterior y that it reaches (floating ribs end early).
    """

    semi: tuple[float, float]
    height: float
    radius: float
    tilt: float = 0.25
    front: float = -_INFINITE

    def box(self) -> Box:
        (a, b), r = self.semi, self.radius
        drop = self.tilt * (b + r) + r
        low_y = max(-b - r, self.front)
        return (-a - r, low_y, self.height - drop), (a + r, b + r, self.height + drop)

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        a, b = self.semi
        level = np.sqrt((x / a) ** 2 + (y / b) ** 2)
        steepness = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2) / np.maximum(level, 1e-6)
        across = (level - 1.0) / np.maximum(steepness, 1e-6)  # first-order distance to the ellipse
        up = z - self.height - self.tilt * y
        return (across**2 + up**2 <= self.radius**2) & (y >= self.front)


@dataclass(frozen=True)
class Block:
    """A box along the body's axes."""

    low: Point
    high: Point

    def box(self) -> Box:
        return self.low, self.high

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        (ax, ay, az), (bx, by, bz) = self.low, self.high
        return (x >= ax) & (x <= bx) & (y >= ay) & (y <= by) & (z >= az) & (z <= bz)


def corners(box: Box) -> Iterator[Point]:
    """The eight corners of a box."""
    for x in (box[0][0], box[1][0]):
        for y in (box[0][1], box[1][1]):
            for z in (box[0][2], box[1][2]):
                yield (x, y, z)


@dataclass(frozen=True)
class Canvas:
    """A grid with an anatomical frame: ``centre`` (LPS mm) and ``scale`` of the solids' frame."""

    grid: Grid
    centre: Point
    scale: float

    def index_box(self, box: Box) -> np.ndarray:
        """Lowest and highest (i, j, k) of the box, as floats: shape (2, 3)."""
        to_index = np.linalg.inv(np.asarray(self.grid.affine))
        points = np.array(
            [[*(self.scale * v + c for v, c in zip(p, self.centre)), 1.0] for p in corners(box)]
        )
        indices = (points @ to_index.T)[:, :3]
        return np.array([indices.min(axis=0), indices.max(axis=0)])

    def holds(self, solid: Solid) -> bool:
        """Whether the whole solid lies within the grid's voxels."""
        low, high = self.index_box(solid.box())
        return bool((low >= -0.5).all() and (high <= np.asarray(self.grid.shape) - 0.5).all())

    def window(self, solid: Solid) -> tuple[slice, slice, slice] | None:
        """The part of an array (k, j, i) that can hold the solid; None when it is outside."""
        low, high = self.index_box(solid.box())
        start = np.maximum(np.floor(low).astype(int), 0)
        stop = np.minimum(np.ceil(high).astype(int) + 1, self.grid.shape)
        if (start >= stop).any():
            return None
        i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop))
        return (k, j, i)

    def mask(self, solid: Solid, window: tuple[slice, slice, slice]) -> np.ndarray:
        """Which voxels of the window have their centre inside the solid."""
        shape = tuple(s.stop - s.start for s in window)
        return np.broadcast_to(solid.inside(*self._points(window)), shape)

    def _points(self, window: tuple[slice, slice, slice]) -> list[np.ndarray]:
        """x, y, z in the solids' frame; an axis that does not matter keeps length one."""
        k, j, i = window
        axes = (
            np.arange(i.start, i.stop, dtype=np.float32)[None, None, :],
            np.arange(j.start, j.stop, dtype=np.float32)[None, :, None],
            np.arange(k.start, k.stop, dtype=np.float32)[:, None, None],
        )
        points = []
        for row, centre in zip(self.grid.affine[:3], self.centre):
            value: np.ndarray = np.full((1, 1, 1), row[3] - centre, np.float32)
            for step, axis in zip(row[:3], axes):
                if step:
                    value = value + np.float32(step) * axis
            points.append(value / np.float32(self.scale))
        return points

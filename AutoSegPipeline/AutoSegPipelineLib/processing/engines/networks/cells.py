"""Sums of overlapping windows, held only where a later window still reaches.

The edges of all windows cut the scan into cells; every voxel of a cell lies in the same windows. A cell's
sums begin with the first of its windows. After the last one they are divided by the sum of the weights and
handed on, so that of a scan's scores only a few windows' worth exist at a time. Each voxel sees the same
additions in the same order as in nnU-Net's arrays for the complete scan, so its score is the same number.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Callable, Iterator, Sequence, Tuple

import numpy as np

if TYPE_CHECKING:
    import torch

Box = Tuple[slice, ...]
Finished = Callable[[Box, "torch.Tensor"], None]
_Cell = Tuple[int, ...]  # the number of its interval along each axis

_ELEMENTS = 1 << 20  # of the scores that are worked on at once, so that they stay in the processor's cache


class Cells:
    """``finished(box, scores)`` gets each cell once: ``box`` counts from the corner of ``real``, ``scores``
    (classes, *size of the box) are in half precision.

    ``tiles`` are all windows in the padded volume, without the channels, in the order of :meth:`add`;
    ``real`` is the part of it that counts. ``window`` has the weight of each voxel of a tile.
    """

    def __init__(self, tiles: Sequence[Box], real: Box, window: torch.Tensor, finished: Finished) -> None:
        self._real = real
        self._finished = finished
        self._half = window
        self._wide = window.float()  # exact, and spares a conversion for each class
        parts = [overlap(tile, real) for tile in tiles]
        self._cuts = [
            sorted({edge for part in parts for edge in (part[axis].start, part[axis].stop)})
            for axis in range(len(real))
        ]
        self._number = [{edge: n for n, edge in enumerate(cuts)} for cuts in self._cuts]
        self._left: dict[_Cell, int] = {}
        for part in parts:
            for cell in self._within(part):
                self._left[cell] = self._left.get(cell, 0) + 1
        self._sums: dict[_Cell, tuple[torch.Tensor, torch.Tensor]] = {}

    def add(self, tile: Box, found: torch.Tensor) -> None:
        """``found`` (classes, ...) are the scores of the part of ``tile`` that counts; they are overwritten.

        Raises RuntimeError for a score that is infinite.
        """
        part = overlap(tile, self._real)
        for cell in self._within(part):
            box = self._box(cell)
            in_part, in_tile = relative(box, part), relative(box, tile)
            self._sum(cell, found[of_all(in_part)], in_tile)
            self._left[cell] -= 1
            if not self._left[cell]:
                self._finished(relative(box, self._real), self._divided(cell))

    def _sum(self, cell: _Cell, found: torch.Tensor, in_tile: Box) -> None:
        """What nnU-Net does in single precision on the CPU and in half on a GPU: weighted, then added to
        halves, which torch widens, adds and rounds."""
        import torch

        half = self._half[in_tile]
        weight = half if found.dtype == torch.half else self._wide[in_tile]
        before = self._sums.get(cell)
        if before is None:
            sums = torch.empty(found.shape, dtype=torch.half, device=found.device)
            for block in _blocks(found):
                sums[block].copy_(found[block].mul_(weight))
            self._sums[cell] = sums, half.clone()
            return
        sums, weights = before
        for block in _blocks(found):
            view = sums[block]
            view.copy_(view.float().add_(found[block].mul_(weight)))
        weights += half

    def _divided(self, cell: _Cell) -> torch.Tensor:
        sums, weights = self._sums.pop(cell)
        divisor = weights.float()
        for block in _blocks(sums):
            view = sums[block]
            view.copy_(view.float().div_(divisor))
            if _has_infinity(view):
                raise RuntimeError("a score of the network is infinite in half precision")
        return sums

    def _within(self, part: Box) -> Iterator[_Cell]:
        return product(
            *(range(number[one.start], number[one.stop]) for number, one in zip(self._number, part))
        )

    def _box(self, cell: _Cell) -> Box:
        return tuple(slice(cuts[n], cuts[n + 1]) for cuts, n in zip(self._cuts, cell))


def overlap(tile: Box, real: Box) -> Box:
    """The part of ``tile`` that lies in ``real``."""
    return tuple(slice(max(t.start, r.start), min(t.stop, r.stop)) for t, r in zip(tile, real))


def relative(box: Box, to: Box) -> Box:
    """``box`` counted from the corner of ``to``."""
    return tuple(slice(b.start - t.start, b.stop - t.start) for b, t in zip(box, to))


def of_all(box: Box) -> Box:
    """``box`` in every class or channel."""
    return (slice(None), *box)


def _has_infinity(part: torch.Tensor) -> bool:
    """As ``isinf(part).any()``, which takes several times as long."""
    import torch

    low, high = torch.aminmax(part)
    if torch.isnan(low):  # it hides the others
        return bool(torch.isinf(part).any())
    return bool(torch.isinf(low) or torch.isinf(high))


def _blocks(scores: torch.Tensor) -> list[slice]:
    """Classes in portions that are large enough to keep every thread busy, and no larger; a GPU has no such
    cache and takes them all."""
    voxels = int(np.prod(scores.shape[1:]))
    step = max(1, -(-_ELEMENTS // max(voxels, 1)))
    if scores.device.type != "cpu":
        step = scores.shape[0]
    return [slice(start, start + step) for start in range(0, scores.shape[0], step)]

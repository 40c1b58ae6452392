"""What the voxels themselves say, read in pieces so that memory stays flat."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy

from ..core.progress import Check, no_check
from ..formats.header import Header
from ..formats.volume_file import VolumeFile
from ..formats.voxels import too_few, voxel_arrays

MOST_DISTINCT = 512
# Every this many pieces one is looked at closely; the rest only for extremes.
SAMPLE = 1 << 22


@dataclass
class Content:
    """Extremes in the file's scaled intensities, and what distinguishes a label map from a scan."""

    low: float = math.inf
    high: float = -math.inf
    finite: bool = True
    integral: bool = True
    distinct: set[float] | None = field(default_factory=set)  # None: more than MOST_DISTINCT
    pairs: int = 0  # neighbours along the fastest axis, not both background
    equal: int = 0  # of these, with the same value
    air: int = 0  # voxels in -1100..-900
    soft: int = 0  # voxels in -150..250
    voxels: int = 0

    @property
    def constant(self) -> bool:
        """Every voxel has the same value."""
        return self.low == self.high

    @property
    def flatness(self) -> float:
        """Part of the neighbours in the foreground that are equal: near 1 in label maps, low in scans."""
        return self.equal / self.pairs if self.pairs else 0.0


def scan_content(volume: VolumeFile, check: Check = no_check) -> Content:
    """Stream through the voxels of ``volume``.

    Raises ``input.truncated``, ``input.corrupt``, ``input.claims_too_much``,
    :class:`~..core.errors.Cancelled`.
    """
    header, found = volume.header, Content()
    for values in voxel_arrays(volume, check):
        _add(found, values, header)
        if not found.finite:
            break
    if found.finite and found.voxels < header.voxels * header.extra:
        raise too_few(volume)
    return found


def _add(found: Content, values: numpy.ndarray[Any, Any], header: Header) -> None:
    low, high = float(values.min()), float(values.max())
    found.voxels += len(values)
    # A NaN or an infinity anywhere shows in the minimum, the maximum or both.
    ends = sorted((low * header.slope + header.intercept, high * header.slope + header.intercept))
    if not all(math.isfinite(end) for end in ends):
        found.finite = False
        return
    found.low, found.high = min(found.low, ends[0]), max(found.high, ends[1])
    if low == high:
        _add_constant(found, len(values), ends[0])
        return
    # Whole numbers as they are: a mask of a large scan is counted in a third of the time.
    plain = values.dtype.kind in "ui" and (header.slope, header.intercept) == (1.0, 0.0)
    sample = values[:SAMPLE]
    if not plain:
        sample = sample.astype(numpy.float64) * header.slope + header.intercept
    every = sample[::4]
    found.air += int(numpy.count_nonzero((every >= -1100) & (every <= -900)))
    found.soft += int(numpy.count_nonzero((every >= -150) & (every <= 250)))
    if not found.integral:
        return
    if not plain and not bool(numpy.all(sample == numpy.rint(sample))):
        found.integral, found.distinct = False, None
        return
    if found.distinct is not None:
        found.distinct.update(_distinct(sample))
        if len(found.distinct) > MOST_DISTINCT:
            found.distinct = None
    same = sample[1:] == sample[:-1]
    inside = (sample[1:] != 0) | (sample[:-1] != 0)
    found.pairs += int(numpy.count_nonzero(inside))
    found.equal += int(numpy.count_nonzero(same & inside))


def _distinct(sample: numpy.ndarray[Any, Any]) -> list[float]:
    """The different values of ``sample``; two of them, as a mask has, are found without sorting."""
    low, high = sample.min(), sample.max()
    two = numpy.count_nonzero(sample == low) + (numpy.count_nonzero(sample == high) if high > low else 0)
    if two == len(sample):
        return [float(low), float(high)]
    return [float(value) for value in numpy.unique(sample)]


def _add_constant(found: Content, count: int, value: float) -> None:
    """As :func:`_add` for ``count`` equal voxels, of which a mask has most: nothing has to be counted."""
    every = -(-min(count, SAMPLE) // 4)
    found.air += every if -1100 <= value <= -900 else 0
    found.soft += every if -150 <= value <= 250 else 0
    if not found.integral:
        return
    if value != round(value):
        found.integral, found.distinct = False, None
        return
    if found.distinct is not None:
        found.distinct.add(value)
        if len(found.distinct) > MOST_DISTINCT:
            found.distinct = None
    if value:
        found.pairs += min(count, SAMPLE) - 1
        found.equal += min(count, SAMPLE) - 1


def looks_like_labels(found: Content, hinted: bool) -> bool:
    """Whether the voxels are labels: whole numbers from 0, few of them, in flat regions.

    ``hinted``: the file's name speaks of a segmentation. A real CT has negative
    values or thousands of them; an eight-bit MR has few, but its neighbours differ.
    """
    if found.distinct is None or not found.integral or found.low < 0:
        return False
    few = len(found.distinct)
    if few <= 2 or (hinted and few <= 300):
        return True
    return (few <= 32 and found.flatness > 0.5) or found.flatness > 0.75


def guess_modality(found: Content) -> str:
    """``CT`` when the intensities can only be Hounsfield units, else nothing.

    Air at about -1000, soft tissue about 0, both common, nothing beyond what
    scanners store. MR, PET and unscaled CT have no negative air.
    """
    quarter = max(1.0, found.voxels / 4)
    plausible = -4096 <= found.low <= -900 and 50 <= found.high <= 32767
    return "CT" if plausible and found.air / quarter > 0.02 and found.soft / quarter > 0.03 else ""

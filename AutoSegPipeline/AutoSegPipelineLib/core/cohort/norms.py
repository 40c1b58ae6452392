"""What is usual in a cohort: median and spread of each structure, robust against outliers.

The z-score of a value is its distance from the median over 1.4826 times the median absolute deviation
(MAD), which is the standard deviation where values are normal. Where more than half of the values are equal
the MAD is 0, and 1.2533 times the mean absolute deviation takes its place (Iglewicz and Hoaglin, 1993).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median
from typing import Sequence

LEAST = 10  # cases; fewer say nothing about what is usual
_OF_MAD, _OF_MEAN = 1.482602, 1.253314


@dataclass(frozen=True)
class Norm:
    """``n`` values; ``scale`` is None where there are too few, or all are equal."""

    n: int
    median: float | None
    scale: float | None


def norm_of(values: Sequence[float]) -> Norm:
    """Median and robust standard deviation of ``values``."""
    if len(values) < LEAST:
        return Norm(len(values), None, None)
    middle = median(values)
    away = [abs(value - middle) for value in values]
    scale = _OF_MAD * median(away) or _OF_MEAN * fmean(away)
    return Norm(len(values), middle, scale or None)

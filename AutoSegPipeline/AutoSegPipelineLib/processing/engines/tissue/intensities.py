"""Whether a scan's numbers can be Hounsfield units at all."""

from __future__ import annotations

import numpy as np

from ....core.errors import EngineFailed

_SAMPLES = 2_000_000


def check_hounsfield(array: np.ndarray, name: str) -> None:
    """Raise :class:`EngineFailed` ``engine.implausible_intensity`` with what was found.

    Air is -1000 and water 0 by definition, and nearly all of a body lies
    between -150 and 300: an export that lost its rescaling (0..255, 0..4095)
    shows in the lack of anything below fat, or in soft tissue around 1000.
    """
    sample = _sample(array)
    low, high = float(sample.min()), float(sample.max())
    if np.quantile(sample, 0.001) > -150.0:
        _refuse(name, f"its intensities run from {low:g} to {high:g}, and nothing is as dark as air or fat")
    if low < -5000.0 or high > 70000.0:
        _refuse(name, f"its intensities run from {low:g} to {high:g}")
    dense = float(np.mean((sample > 800) & (sample < 1500)))
    soft = float(np.mean((sample > -200) & (sample < 300)))
    if dense > 0.1 and dense > soft / 3:
        _refuse(name, f"{dense:.0%} of its voxels lie between 800 and 1500, where only dense bone should be")
    if high < -200.0:
        raise EngineFailed("engine.no_body", f"{name}: nothing is denser than {high:g} HU")


def _sample(array: np.ndarray) -> np.ndarray:
    step = max(1, round((array.size / _SAMPLES) ** (1.0 / 3.0)))
    return array[::step, ::step, ::step]


def _refuse(name: str, found: str) -> None:
    raise EngineFailed("engine.implausible_intensity", f"{name} is not in Hounsfield units: {found}.")

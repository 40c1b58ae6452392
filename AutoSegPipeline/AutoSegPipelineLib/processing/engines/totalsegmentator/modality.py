"""CT or MR of a file that does not say it, from its intensities."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np

from .known_tasks import PACKAGE
from .trouble import FAILURES

_AIR_HU = -500.0  # no MR scanner writes that; air around a patient in CT is below it
_CLASSIFIER = PACKAGE + ".bin.totalseg_get_modality"


@dataclass(frozen=True)
class Guess:
    """``modality`` is CT or MR; ``source`` says in words who decided."""

    modality: str
    source: str


def guess(array: np.ndarray) -> Guess:
    """By the package's own classifier where it can run (it needs xgboost), else by air around the patient."""
    return _by_package(array) or _by_air(array)


def _by_air(array: np.ndarray) -> Guess:
    """CT where the scan holds air in Hounsfield units, else MR."""
    found = "CT" if float(array.min()) <= _AIR_HU else "MR"
    return Guess(found, f"values of {_AIR_HU:g} or less mean CT")


class _Image:
    """All that the classifier asks of an image; the voxels are not copied."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def get_fdata(self) -> np.ndarray:
        return self._array


def _by_package(array: np.ndarray) -> Guess | None:
    if importlib.util.find_spec("xgboost") is None or not _has_classifier():
        return None
    try:
        from totalsegmentator.bin.totalseg_get_modality import get_modality

        found: dict[str, Any] = get_modality(_Image(array))
        modality = str(found["modality"]).upper()
        probability = float(found["probability"])
    except FAILURES:
        return None  # a classifier that does not fit the installed xgboost; the other way always works
    if modality not in ("CT", "MR"):
        return None
    return Guess(modality, f"TotalSegmentator's classifier, probability {probability:.2f}")


def _has_classifier() -> bool:
    try:
        return importlib.util.find_spec(_CLASSIFIER) is not None
    except ModuleNotFoundError:
        return False

"""TotalSegmentator: the Python package, driven warm inside the worker."""

from __future__ import annotations

from .engine import TotalSegmentatorEngine

__all__ = ["TotalSegmentatorEngine"]

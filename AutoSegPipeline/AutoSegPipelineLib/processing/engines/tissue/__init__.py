"""The tissue engine: CT by Hounsfield units and morphology, without a model."""

from __future__ import annotations

from .engine import TissueEngine

__all__ = ["TissueEngine"]

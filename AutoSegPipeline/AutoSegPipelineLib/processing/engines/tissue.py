"""Segmentation by HU thresholds (thin first version)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import EngineFailed
from ...core.report import Report
from ...core.segmentation import Segmentation
from ..volume import Volume
from .base import Check, Task
from .structures import structure_segment

CLASSES = (
    "body", "lung_left", "lung_right", "airways", "bones", "muscle",
    "soft_tissue", "subcutaneous_fat", "visceral_fat",
)  # fmt: skip


class TissueEngine:
    """Thresholds and morphology for CT."""

    name = "tissue"
    title = "Tissues by Hounsfield units"
    rank = 10

    def tasks(self) -> list[Task]:
        return [Task("tissue", "Body, lungs, airways, bones, muscle and fat", "CT", CLASSES, default=True)]

    def check(self) -> Check:
        return Check(True)

    def segment(self, volume: Volume, options: dict[str, Any], report: Report) -> Segmentation:
        if volume.modality == "MR":
            raise EngineFailed("engine.wrong_modality", "the tissue engine takes CT in Hounsfield units")
        body = (volume.array > -300).astype(np.uint8)
        bones = (volume.array > 200).astype(np.uint8)
        segments = (structure_segment("body", 0, 1), structure_segment("bones", 1, 1))
        report.check()
        return Segmentation(volume.grid, [body, bones], segments)

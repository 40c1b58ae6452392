"""A model as it lies in the folder of models, without its networks."""

from __future__ import annotations

import json
from pathlib import Path

SHA = "a" * 64


def record(place: Path, name: str, **more: object) -> Path:
    """Write the record of a model called ``name`` with one tooth; its folder."""
    stage = {"folder": "stage_1", "configuration": "2d", "trainer": "nnUNetTrainer", "folds": ["0", "2"],
             "checkpoint": "checkpoint_final.pth"}  # fmt: skip
    classes = [{"value": 1, "name": "tooth", "labels": [1], "colour": None, "codes": []}]
    model = {
        "format": 1, "name": name, "title": "Lower teeth", "modality": "CT", "channels": ["CT"],
        "classes": classes, "stages": [stage], "reader": "SimpleITKIO", "file_ending": ".nii.gz",
        "files": {"stage_1/plans.json": SHA}, "configuration": "2d",
        "bytes": 2_500_000, "weights_sha256": SHA, "source": "teeth.zip", "added_at": "2026-01-01T00:00:00Z",
        "added_by": "anna", "licence": "CC BY 4.0", "trusted": True, "keep_largest": [],
        "patterns": [], **more,
    }  # fmt: skip
    (place / name).mkdir(parents=True)
    (place / name / "model.json").write_text(json.dumps(model), encoding="utf-8")
    return place / name

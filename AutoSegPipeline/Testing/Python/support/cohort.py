"""Result files of a cohort, synthetic and complete enough for the table: manifest and statistics."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any


def names(count: int) -> list[str]:
    """Structures as engines call them; every third has a side."""
    sides = ("_left", "_right", "")
    return [f"structure_{number // 3:03d}{sides[number % 3]}" for number in range(count)]


def structure(name: str, volume: float, mean: float | None, border: bool = False) -> dict[str, Any]:
    """One entry of a statistics file."""
    intensity = None
    if mean is not None:
        intensity = {"mean": mean, "sd": 20.5, "min": -120.0, "max": 240.0, "median": mean + 1}
    return {
        "name": name, "title": name.replace("_", " ").capitalize(), "group": "organs", "label": 1, "layer": 0,
        "value": 1, "voxels": int(volume * 100), "volume_ml": volume, "intensity": intensity,
        "index_min": [10, 20, 30], "index_max": [60, 70, 80],
        "bounds_lps_mm": [-101.25, -88.5, 12.75, 3.5, 44.125, 98.25],
        "centroid_lps_mm": [-55.123456, -21.654321, 50.111111], "touches_border": border,
        "centroid_ras_mm": [55.123456, 21.654321, 50.111111], "engine": "totalsegmentator",
    }  # fmt: skip


def write_case(
    folder: Path, stem: str, structures: list[dict[str, Any]], absent: tuple[str, ...] = (), **about: Any
) -> Path:
    """Manifest and statistics of one case as the writers make them; the manifest's path."""
    document = {
        "schema": 1, "coordinate_system": "LPS", "intensity_unit": "HU", "voxel_ml": 0.003375,
        "structures": structures,
    }  # fmt: skip
    (folder / f"{stem}.statistics.json").write_text(json.dumps(document, indent=1) + "\n")
    segments = [
        {
            "name": one["name"], "title": one["title"], "group": "organs", "colour": [0.9, 0.2, 0.1],
            "opacity": 1.0, "layer": 0, "value": 1, "label": 1, "priority": 0, "triangles": 2210,
            "volume_ml": one["volume_ml"], "hidden_at_first": False, "engine": "totalsegmentator",
            "triangles_full": 22100,
            "category": {"scheme": "SCT", "value": "123037004", "meaning": "Anatomical Structure"},
            "code": {"scheme": "SCT", "value": "10200004", "meaning": one["title"]},
        }
        for one in structures
    ]  # fmt: skip
    manifest = {
        "schema": 1, "name": stem, "label": f"{stem}.nii.gz", "created": "2026-11-29T12:00:00Z",
        "kind": "scan", "input": {"job": "", "modality": "CT", "sha256": "0" * 64, "format": "nifti"},
        "engine": {"name": "totalsegmentator", "version": "2.15.0"}, "sides": "ok",
        "engines": [], "options": {"quality": "normal", "task": "total"}, "segments": segments,
        "versions": {"autosegpipeline": "0.1.0", "python": "3.12.4", "numpy": "2.4.6", "vtk": "9.7.2"},
        "absent": list(absent), "warnings": [],
        "outputs": [
            {"kind": "statistics", "name": f"{stem}.statistics.json", "size": 1, "sha256": "0" * 64}
        ],
        **about,
    }  # fmt: skip
    path = folder / f"{stem}.manifest.json"
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    return path


def write_cohort(folder: Path, cases: int, structures: int, seed: int = 0) -> None:
    """``cases`` cases of ``structures`` structures that scatter; the last one is absent in some."""
    chance, known = random.Random(seed), names(structures)
    for number in range(cases):
        present = known[:-1] if number % 5 == 4 else known
        found = [
            structure(name, round(chance.gauss(100 + place, 10), 6), round(chance.gauss(50, 8), 6))
            for place, name in enumerate(present)
        ]
        write_case(folder, f"case_{number:05d}", found, tuple(known[len(present) :]))

"""``NAME.statistics.csv`` and ``.json``: what was measured of each structure."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from ...core.progress import Report
from ...core.segmentation import Grid
from ...core.spreadsheet import defused
from ..measure import Measured
from .unsound import unsound

if TYPE_CHECKING:
    from ..export_data import ExportData


def write(path: Path, data: ExportData, report: Report) -> None:
    """The table or the document, by the ending of ``path``. Raises OSError."""
    engines = {one.name: data.found.engine_of(one.name) for one in data.measured}
    if path.suffix == ".json":
        write_json(path, data.measured, data.found.segmentation.grid, data.found.unit, engines)
    else:
        write_csv(path, data.measured, data.found.unit, engines)


def verify(path: Path, data: ExportData) -> None:
    """Each structure that was measured has its row."""
    wanted = [one.name for one in data.measured]
    if path.suffix == ".json":
        names = [row["name"] for row in json.loads(path.read_text(encoding="utf-8"))["structures"]]
    else:
        wanted = [defused(name) for name in wanted]
        with open(path, encoding="utf-8", newline="") as stream:
            names = [row["name"] for row in csv.DictReader(stream)]
    if names != wanted:
        raise unsound(path, "lists other structures than were measured")


def write_json(
    path: Path, measured: list[Measured], grid: Grid, unit: str, engines: Mapping[str, str]
) -> None:
    """Everything measured, with the conventions beside it; ``engines``: structure -> who found it."""
    document = {
        "schema": 1,
        "coordinate_system": "LPS millimetres of voxel centres; centroid_ras_mm is the same point in RAS",
        "intensity_unit": unit,
        "voxel_ml": grid.voxel_ml,
        "structures": [{**_rounded(asdict(one)), "engine": engines[one.name]} for one in measured],
    }
    path.write_text(
        json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


def _rounded(value: Any) -> Any:
    """Micrometres and microlitres are finer than anything measured; digits beyond are noise."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return value


def write_csv(path: Path, measured: list[Measured], unit: str, engines: Mapping[str, str]) -> None:
    """One row for each structure, with its engine; texts that a spreadsheet would compute are defused."""
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for one in measured:
            writer.writerow([*_row(one, unit), engines[one.name]])


COLUMNS = (
    "name", "title", "group", "label", "layer", "value", "voxels", "volume_ml",
    "mean", "sd", "min", "max", "median", "intensity_unit",
    "i_min", "j_min", "k_min", "i_max", "j_max", "k_max",
    "x_min_lps_mm", "y_min_lps_mm", "z_min_lps_mm", "x_max_lps_mm", "y_max_lps_mm", "z_max_lps_mm",
    "centroid_x_lps_mm", "centroid_y_lps_mm", "centroid_z_lps_mm",
    "centroid_x_ras_mm", "centroid_y_ras_mm", "centroid_z_ras_mm", "touches_border",
    "engine",
)  # fmt: skip


def _row(one: Measured, unit: str) -> list[Any]:
    value = one.intensity
    intensity = [""] * 5 if value is None else [value.mean, value.sd, value.min, value.max, value.median]
    cells = [
        defused(one.name), defused(one.title), defused(one.group), one.label, one.layer, one.value,
        one.voxels, one.volume_ml, *intensity, unit if value else "",
        *one.index_min, *one.index_max, *one.bounds_lps_mm, *one.centroid_lps_mm, *one.centroid_ras_mm,
        "yes" if one.touches_border else "no",
    ]  # fmt: skip
    return [_rounded(cell) for cell in cells]

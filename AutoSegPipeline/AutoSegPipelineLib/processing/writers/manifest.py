"""``NAME.manifest.json``: what was made of what, with which versions and options."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...core.messages.reader import plain
from ...core.progress import Report
from ...core.segmentation import Code
from ..anatomy import hidden_at_first
from ..layers import label_values
from ..surfaces.budget import StructureNote
from . import DISCLAIMER
from .unsound import unsound

if TYPE_CHECKING:
    from ..export_data import ExportData

SCHEMA = 1
COORDINATES = {
    "frame": "LPS: +x to the patient's left, +y to the back, +z to the head; millimetres",
    "affine": "voxel index (i, j, k) of a voxel's centre to LPS millimetres, row by row",
    "gltf": "metres, +Y up; the root node's matrix turns LPS millimetres into it",
    "labels": "NIfTI in RAS millimetres; qform and sform agree",
}


def write(path: Path, data: ExportData, report: Report) -> None:
    """Write the manifest of everything in ``data.result``. Raises OSError."""
    text = json.dumps(manifest_of(data), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def verify(path: Path, data: ExportData) -> None:
    """The document names the files of the case."""
    read = json.loads(path.read_text(encoding="utf-8"))
    if read["outputs"] != [asdict(output) for output in data.result.outputs if output.name != path.name]:
        raise unsound(path, "lists other files than were written")


def manifest_of(data: ExportData) -> dict[str, Any]:
    """The manifest as JSON values."""
    case, found, result = data.case, data.found, data.result
    grid = found.segmentation.grid
    source = case.source
    return {
        "schema": SCHEMA,
        "name": case.stem,
        "label": case.label,
        "disclaimer": DISCLAIMER,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "kind": case.kind,
        "input": {
            **{key: value for key, value in plain(source).items() if key != "warnings"},
            "modality": found.modality,
            "modality_from": found.facts.get("modality_from") or None,
        },
        "grid": {
            "shape_ijk": list(grid.shape),
            "spacing_mm": list(grid.spacing),
            "affine_lps": list(grid.affine),
        },
        "coordinate_system": COORDINATES,
        "engine": {
            "name": found.engine,
            "version": found.facts.get("engine_version", ""),
            **({"used": found.facts["used"]} if found.facts.get("used") else {}),
        },
        "engines": found.engines,
        "sides": found.sides or None,
        "cached_from": (source.cached_from or True) if found.cached else None,
        "options": case.options,
        "versions": versions(),
        "surfaces": data.budget.to_dict(),
        "segments": _segments(data),
        "overlaps": [asdict(overlap) for overlap in data.flat.overlaps],
        "absent": [segment.name for segment in found.absent],
        "warnings": all_warnings(data),
        "timings_s": dict(result.timings),
        "outputs": [asdict(output) for output in result.outputs],
    }


def all_warnings(data: ExportData) -> list[dict[str, str]]:
    """What the intake noticed, then what processing did; each once."""
    kept: list[dict[str, str]] = []
    for warning in [*data.case.source.warnings, *data.result.warnings]:
        if warning not in kept:
            kept.append(warning)
    return kept


def versions() -> dict[str, str]:
    """This library, Python, the system and the libraries that shaped the result."""
    found = {
        "autosegpipeline": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    for name in ("numpy", "scipy", "SimpleITK", "fast_simplification"):
        module = sys.modules.get(name)
        if module is not None:
            found[name] = str(getattr(module, "__version__", "unknown"))
    if any(name == "vtk" or name.startswith("vtkmodules") for name in sys.modules):
        found["vtk"] = import_module("vtkmodules.vtkCommonCore").vtkVersion.GetVTKVersion()
    return found


def _segments(data: ExportData) -> list[dict[str, Any]]:
    volumes = {one.name: one for one in data.measured}
    hidden = hidden_at_first(data.found.segmentation.segments)
    labels = label_values(data.found.segmentation.segments)
    rows = []
    for segment in data.found.segmentation.segments:
        codes = {
            "category": segment.category,
            "code": segment.code,
            "modifier": segment.modifier,
            "region": segment.region,
        }
        rows.append(
            {
                "name": segment.name,
                "title": segment.title,
                "group": segment.group,
                "colour": [round(channel, 4) for channel in segment.colour],
                "opacity": segment.opacity,
                "layer": segment.layer,
                "value": segment.value,
                "label": labels[segment.name],
                "priority": segment.priority,
                "volume_ml": round(volumes[segment.name].volume_ml, 4),
                "hidden_at_first": segment.name in hidden,
                "engine": data.found.engine_of(segment.name),
                **_surface(data, segment.name),
                **{key: _code(code) for key, code in codes.items() if code is not None},
            }
        )
    return rows


def _surface(data: ExportData, name: str) -> dict[str, Any]:
    """What became of the structure's surface."""
    note = data.budget.notes.get(name, StructureNote())
    row: dict[str, Any] = {"triangles": note.triangles, "triangles_full": note.full}
    if note.share is not None:
        row["triangles_limit"] = note.share
    if note.specks:
        row.update(specks=note.specks, specks_ml=round(note.specks_ml, 4))
    if note.error_mm is not None:
        mean, most = note.error_mm
        row["surface_error_mm"] = {"mean": round(mean, 4), "most": round(most, 4)}
    return row


def _code(code: Code) -> dict[str, str]:
    return asdict(code)

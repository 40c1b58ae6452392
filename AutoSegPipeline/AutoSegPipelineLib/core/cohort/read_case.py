"""From the result files of one case to rows: the manifest, and the statistics where they were asked for."""

from __future__ import annotations

import functools
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import PipelineError
from ..result_formats import MANIFEST

_LEFT = re.compile(r"(^|[_\W])left($|[_\W])", re.IGNORECASE)
_RIGHT = re.compile(r"(^|[_\W])right($|[_\W])", re.IGNORECASE)
_STATISTICS = ".statistics.json"
# What reading a file raises that is gone, or is not what this program writes.
NOT_OURS = (OSError, ValueError, KeyError, TypeError, AttributeError)


class StructureRow(NamedTuple):
    """One structure of a case; None is what was not measured. ``volume_ml`` is in millilitres."""

    structure: str
    title: str = ""
    grouped: str = ""
    side: str = ""
    engine: str = ""
    volume_ml: float | None = None
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    unit: str = ""
    touches_border: bool | None = None
    absent: bool = False


@dataclass(frozen=True)
class CaseRows:
    """One case: what its manifest says, and its structures, absent ones last."""

    name: str
    label: str
    job: str
    modality: str
    sides: str
    created: str
    structures: list[StructureRow] = field(default_factory=list)


def read_case(path: Path) -> CaseRows:
    """The rows of the case whose manifest is at ``path``.

    Raises ``table.unreadable`` where manifest or statistics are not what this program writes.
    """
    try:
        manifest = _read(path)
        stem = path.name[: -len(MANIFEST)]
        listed = {str(one["name"]) for one in manifest["outputs"]}
        statistics = path.with_name(stem + _STATISTICS)
        measured = statistics.name in listed and statistics.exists()
        rows = _measured(_read(statistics)) if measured else [_segment(one) for one in manifest["segments"]]
        known = {row.structure for row in rows}
        engine = str(manifest["engine"]["name"])
        absent = [str(name) for name in manifest.get("absent") or () if name not in known]
        rows += [StructureRow(name, name, side=side_of(name), engine=engine, absent=True) for name in absent]
        source = manifest["input"]
        return CaseRows(
            name=str(manifest["name"]),
            label=str(manifest.get("label") or ""),
            job=str(source.get("job") or ""),
            modality=str(source.get("modality") or ""),
            sides=str(manifest.get("sides") or ""),
            created=str(manifest.get("created") or ""),
            structures=rows,
        )
    except NOT_OURS as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> PipelineError:
    """What to raise for ``error``, one of :data:`NOT_OURS`, at the manifest ``path``."""
    why = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return PipelineError("table.unreadable", f"{path.name} cannot be used: {why}")


@functools.lru_cache(maxsize=4096)
def side_of(name: str) -> str:
    """``left``, ``right`` or nothing, as the structure's name says."""
    return "left" if _LEFT.search(name) else "right" if _RIGHT.search(name) else ""


def manifests(folder: Path) -> dict[str, str]:
    """The names of all manifests in ``folder``, and what changes when one does."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(MANIFEST) and entry.is_file(follow_symlinks=False):
                facts = entry.stat(follow_symlinks=False)
                found[entry.name] = f"{facts.st_size}:{facts.st_mtime_ns}"
    return found


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _measured(document: Any) -> list[StructureRow]:
    unit = str(document.get("intensity_unit") or "")
    return [_structure(one, unit) for one in document["structures"]]


def _structure(one: Any, unit: str) -> StructureRow:
    inside = one["intensity"] or {}
    name = str(one["name"])
    return StructureRow(
        name, str(one.get("title") or ""), str(one.get("group") or ""), side_of(name),
        str(one.get("engine") or ""), float(one["volume_ml"]),
        inside.get("mean"), inside.get("sd"), inside.get("median"), unit if inside else "",
        bool(one["touches_border"]),
    )  # fmt: skip


def _segment(one: Any) -> StructureRow:
    """Without statistics the manifest has the volumes."""
    name = str(one["name"])
    return StructureRow(
        name, str(one.get("title") or ""), str(one.get("group") or ""), side_of(name),
        str(one.get("engine") or ""), float(one["volume_ml"]),
    )  # fmt: skip

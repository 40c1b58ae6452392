"""The records of your own models, for those who only show them; ``processing/engines/nnunet`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Optional, Tuple

RECORD = "model.json"
Record = Dict[str, object]


def read_records(place: Path) -> Tuple[List[Record], List[str]]:
    """The record of each model in ``place`` by name, and the names of those that cannot be read."""
    found: List[Record] = []
    broken: List[str] = []
    try:
        folders = sorted(folder for folder in place.iterdir() if not folder.name.startswith("."))
    except OSError:
        return found, broken
    for folder in folders:
        if not (folder / RECORD).is_file():
            continue
        record = read_record(folder)
        if record is not None and record.get("name") == folder.name:
            found.append(record)
        else:
            broken.append(folder.name)
    return found, broken


def read_record(folder: Path) -> Optional[Record]:
    """The record of the model in ``folder``; None where it cannot be read."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None

"""The records of your own models, for those who only show them; ``processing/engines/nnunet`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Tuple

FILE = "model.json"
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
        path = folder / FILE
        if not path.is_file():
            continue
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            record = None
        if isinstance(record, dict) and record.get("name") == folder.name:
            found.append(record)
        else:
            broken.append(folder.name)
    return found, broken

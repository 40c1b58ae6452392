"""What workers say of their engines, as the pipeline gets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def task(name: str, modality: str = "CT", classes: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """One task; three qualities unless said otherwise."""
    plain = {"qualities": ["normal", "fast", "fastest"], "licence": "", "default": False, "aliases": []}
    titles = [one.replace("_", " ") for one in classes]
    return {**plain, "name": name, "modality": modality, "classes": list(classes), "titles": titles, **more}


def engine(name: str, *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One engine that works."""
    plain = {"title": name, "version": "1", "ok": True, "missing": [], "note": "", "gpus": 0}
    return {**plain, "name": name, "tasks": list(tasks), "device": {"auto": "cpu"}, **more}


TOTAL = engine(
    "totalsegmentator",
    task("total", classes=("spleen", "kidney_left", "kidney_right"), default=True),
    task("total_mr", "MR", ("spleen", "liver")),
    task("vertebrae_body", classes=("vertebrae_body",), qualities=["normal"]),
    task("face", classes=("face",), qualities=["normal"], licence="a licence"),
    licensed=False,
)
TISSUE = engine("tissue", task("tissue", classes=("body", "bones"), default=True, aliases=["total"]))
BOTH = {"engines": [TOTAL, TISSUE]}


def with_gpus(count: int) -> dict[str, Any]:
    """Both engines on a machine with so many GPUs."""
    device = {"auto": "gpu" if count else "cpu"}
    return {"engines": [{**TOTAL, "gpus": count, "device": device}, TISSUE]}


def tell(home: Path, described: dict[str, Any]) -> None:
    """What the fake worker of this home says from now on."""
    home.mkdir(parents=True, exist_ok=True)
    part = home / "describe.json.part"
    part.write_text(json.dumps(described), encoding="utf-8")
    part.replace(home / "describe.json")

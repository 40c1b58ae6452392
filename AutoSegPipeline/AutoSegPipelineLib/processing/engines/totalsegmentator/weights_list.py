"""Which weights the workers' package knows and which are there, as one line of JSON.

``python -m AutoSegPipelineLib.processing.engines.totalsegmentator.weights_list``, run under the Python of
the workers: the tables of tasks belong to the package that is installed there. Torch is not imported.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ...answer_line import print_answer
from . import weights
from .catalogue import catalogue
from .known_tasks import Catalogue, installed


def read() -> dict[str, Any]:
    """``folder``, ``version`` (empty: the package is not installed), ``tasks`` and ``models``.

    A task's ``qualities`` map to the numbers of the models that they need; an older package does
    not tell them before it runs, and the list is empty.
    """
    known = catalogue() if installed() else Catalogue("", {}, {}, "")
    tasks: list[dict[str, Any]] = [
        {
            "name": task.name,
            "modality": task.modality,
            "licence": task.licence,
            "qualities": {quality: weights.needed(known, task, quality) for quality in task.modes},
        }
        for task in known.tasks.values()
    ]
    numbers = {number for task in tasks for models in task["qualities"].values() for number in models}
    models = {number: _model(number, weights.place(number, known)) for number in sorted(numbers)}
    for path in sorted(weights.folder().glob("Dataset*")):
        number = path.name[len("Dataset") :].partition("_")[0]
        if path.is_dir() and number.isdigit() and path.name not in [one["name"] for one in models.values()]:
            models.setdefault(int(number), _model(int(number), path))
    return {
        "version": known.version,
        "generation": known.generation,
        "folder": str(weights.folder()),
        "has_licence": weights.has_licence(),
        "tasks": tasks,
        "models": list(models.values()),
    }


def _model(number: int, path: Path | None) -> dict[str, Any]:
    there = path is not None and path.is_dir()
    return {
        "number": number,
        "name": path.name if path else f"Dataset{number:03d}",
        "state": "there" if weights.is_complete(path) else "broken" if there else "missing",
        "bytes": _size(path) if path and there else 0,
    }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    sys.exit(print_answer(read))

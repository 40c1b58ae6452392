"""Where the models' weights lie, which a run needs, and which are missing."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from ....core.errors import EngineFailed
from .known_tasks import DEFAULT, Catalogue, Known

_ROUGH_CT, _FINER_CT, _FINER_MR, _ROUGH_BODY = 298, 297, 852, 300
_LICENCE_LETTERS = 18


def home() -> Path:
    """The package's own folder: ``TOTALSEG_HOME_DIR``, or ``.totalsegmentator`` of the user."""
    named = os.environ.get("TOTALSEG_HOME_DIR")
    if named:
        return Path(named)
    user = Path.home()
    return (Path("/tmp") if str(user) == "/" else user) / ".totalsegmentator"


def folder() -> Path:
    """Where the package keeps and looks for weights."""
    named = os.environ.get("TOTALSEG_WEIGHTS_PATH")
    return Path(named) if named else home() / "nnunet" / "results"


def place(number: int, known: Catalogue) -> Path | None:
    """The folder of these weights, there or not; None when an older package does not name it."""
    if number in known.folders:
        return folder() / known.folders[number]
    found = sorted(folder().glob(f"Dataset{number:03d}_*"))
    return found[0] if found else None


def is_complete(path: Path | None) -> bool:
    """Whether a model can be loaded from there: plans and a checkpoint, none of them empty."""
    if path is None or not path.is_dir():
        return False
    checkpoints = [file for file in path.glob("*/fold_*/checkpoint_*.pth") if file.stat().st_size]
    return any((file.parents[1] / "plans.json").is_file() for file in checkpoints)


def needed(known: Catalogue, task: Known, quality: str, structures: tuple[str, ...] = ()) -> list[int]:
    """The weights that this run uses, as the package chooses them; empty where it does not say."""
    models = list(task.modes[quality].models)
    subset = structures if task.can_subset else ()
    if subset and len(models) > 1:
        models = [n for n in models if n not in task.parts or task.parts[n] & set(subset)]
    return list(dict.fromkeys([*_for_cropping(known, task, bool(subset)), *task.extra, *models]))


def _for_cropping(known: Catalogue, task: Known, subset: bool) -> list[int]:
    if not (task.crop or subset) or not task.modes["normal"].models:
        return []
    if task.crop_task:
        other = known.tasks.get(task.crop_task)
        return needed(known, other, "normal") if other else []
    if any(name.startswith("body") for name in task.crop):
        return [_ROUGH_BODY]
    if task.name.endswith("_mr"):
        return [_FINER_MR]
    return [_FINER_CT if task.robust else _ROUGH_CT]


def missing(known: Catalogue, numbers: list[int]) -> list[int]:
    """Those of ``numbers`` that are not there, or not complete."""
    return [number for number in numbers if not is_complete(place(number, known))]


def fingerprint(known: Catalogue, task: Known) -> str:
    """A text that changes when weights of ``task`` do; empty where the package does not name them.

    Sizes and times stand for the contents: the models of one task may be gigabytes.
    """
    numbers = sorted({number for quality in task.modes for number in needed(known, task, quality)})
    lines = []
    for number in numbers:
        path = place(number, known)
        for file in sorted(path.rglob("*")) if path is not None and path.is_dir() else ():
            if file.suffix in (".pth", ".json", ".pkl") and file.is_file():
                state = file.stat()
                lines.append(f"{number} {file.name} {state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def default_present(known: Catalogue) -> bool:
    """Whether a task for a whole body can run in some quality without fetching anything."""
    for name in DEFAULT.values():
        task = known.tasks.get(name)
        for quality, mode in task.modes.items() if task else ():
            if mode.models and not missing(known, needed(known, task, quality)):  # type: ignore[arg-type]
                return True
            if not mode.models and any(is_complete(path) for path in folder().glob("Dataset29[0-9]_*")):
                return True
    return False


def complain(known: Catalogue, numbers: list[int], task: str) -> EngineFailed:
    """The error that says what to fetch and where it belongs."""
    broken = [place(n, known) for n in numbers]
    halves = [path for path in broken if path is not None and path.exists()]
    names = ", ".join(known.folders.get(n, f"Dataset{n:03d}_…") for n in numbers)
    text = f"task {task}: weights are missing: {names}; they belong into {folder()}"
    if halves:
        text += f" ({', '.join(p.name for p in halves)} is there but not complete; remove it first)"
    command = f"totalseg_download_weights -t {task}"
    hint = (
        f"Allow it with download_weights=true, or fetch them on a machine with internet (`{command}`) "
        f"and copy these folders to {folder()}."
    )
    return EngineFailed("engine.weights_missing", text, hint)


def has_licence() -> bool:
    """Whether the package's configuration holds a licence number of the length that the package takes."""
    try:
        config = json.loads((home() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return len(str(config.get("license_number", ""))) == _LICENCE_LETTERS

"""Hand-overs as tasks of the intake child, for doors whose event loop must not wait for the disk."""

from __future__ import annotations

from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Any, Dict, Iterator

from ...core.errors import PipelineError
from ...core.home import Home
from ...core.incoming import Intent
from .client_input import CaseRequest
from .grouping import ReceivedFile
from .handover import Handed, Handover

Values = Dict[str, Any]


def hand_over_args(
    door: Handover, folder: Path, files: list[ReceivedFile], request: CaseRequest, by: str
) -> Values:
    """The arguments of :func:`hand_over`."""
    return {
        **_door_values(door),
        "folder": str(folder),
        "files": [astuple(one) for one in files],
        "request": request.to_dict(),
        "by": by,
    }


def hand_over(args: Values) -> Values:
    """What :meth:`Handover.hand_over` does, in the intake child."""
    files = [ReceivedFile(*one) for one in args["files"]]
    handed = _door(args).hand_over(Path(args["folder"]), files, CaseRequest(**args["request"]), args["by"])
    return {"intents": _values(handed.intents), "carried": handed.carried}


def handed_of(result: Values) -> Handed:
    """The answer of :func:`hand_over`; its intents come without their files, which may be thousands."""
    return Handed([Intent.from_dict(one) for one in result["intents"]], bool(result["carried"]))


def resume_args(door: Handover, folders: list[Path]) -> Values:
    """The arguments of :func:`resume`."""
    return {**_door_values(door), "folders": [str(folder) for folder in folders]}


def resume(args: Values) -> Values:
    """Carry on each plan in ``folders`` and remove those without one, but for what a living process holds."""
    door, resumed, faults = _door(args), list[Values](), list[str]()
    for folder in map(Path, args["folders"]):
        try:
            if not folder.is_dir() or door.is_held(folder):
                continue
            intents = door.resume(folder)
            if intents is None:
                door.remove(folder)
            else:
                resumed.append({"folder": str(folder), "intents": _values(intents)})
        except (
            OSError,
            PipelineError,
        ) as error:  # one keeps nobody from the others
            faults.append(f"{folder}: {error}")
    return {"resumed": resumed, "faults": faults}


def resumed_of(result: Values) -> Iterator[tuple[Path, list[Intent]]]:
    """The folders that :func:`resume` carried on, and what they hold."""
    for one in result["resumed"]:
        yield Path(one["folder"]), [Intent.from_dict(intent) for intent in one["intents"]]


def _door_values(door: Handover) -> Values:
    values = {name: str(value) for name, value in asdict(door.home).items()}
    return {"home": values, "door": door.door, "root": str(door.root), "min_free_bytes": door.min_free_bytes}


def _door(args: Values) -> Handover:
    home = Home(**{name: Path(value) for name, value in args["home"].items()})
    return Handover(home, args["door"], Path(args["root"]), args["min_free_bytes"])


def _values(intents: list[Intent]) -> list[Values]:
    return [replace(one, files=[]).to_dict() for one in intents]

"""Has a child process make DICOM objects: what it loads and what it may stumble over stays there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ..errors import PipelineError, from_dict
from ..files import write_json
from ..messages.reader import plain, read
from .object_order import BuiltObjects, ObjectOrder

MODULE = "AutoSegPipelineLib.processing.dicom_objects.build"
TIMEOUT_SECONDS = 3600.0
ORDER = "order.json"


def build_objects(order: ObjectOrder, timeout: float = TIMEOUT_SECONDS) -> BuiltObjects:
    """The objects, complete in the folder of the order, which is made.

    Raises :class:`PipelineError`: what the child reports, or ``pacs.objects_failed``.
    """
    folder = Path(order.out)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / ORDER
    write_json(path, plain(order), durable=False)
    try:
        answer = _answer(path, timeout)
    finally:
        path.unlink(missing_ok=True)
    error = answer.get("error")
    if isinstance(error, dict):
        raise from_dict(error)
    return read(BuiltObjects, answer)


def _answer(path: Path, timeout: float) -> dict[str, object]:
    flags = int(getattr(subprocess, "CREATE_NO_WINDOW", 0))  # Windows: no console flashes up
    # Nothing is written to it: the child ends when it closes, as it does with this process.
    alive, held = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(path)], stdin=alive, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=timeout, env=_environment(), creationflags=flags, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PipelineError("pacs.objects_failed", f"No objects after {timeout:.0f} s.") from None
    finally:
        os.close(alive)
        os.close(held)
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        answer = json.loads(lines[-1])
        if isinstance(answer, dict):
            return answer
    except (IndexError, ValueError):
        pass
    raise PipelineError("pacs.objects_failed", f"The process ended with code {done.returncode}.")


def _environment() -> dict[str, str]:
    """Ours, with every folder in which this process finds its packages."""
    parent = str(Path(__file__).resolve().parents[3])
    folders = dict.fromkeys([parent, *(one for one in sys.path if one and os.path.exists(one))])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}

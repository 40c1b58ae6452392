"""The labels of TotalSegmentator's tasks, known without the package; what ``--labels`` may be.

``task_labels.json`` is written from the package by ``Testing/Python/support/task_labels.py``.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from .errors import PipelineError
from .spec import did_you_mean

PROGRAM = "TotalSegmentator"  # whose tasks these are; its engine may be absent


@lru_cache(maxsize=1)
def _tasks() -> dict[str, dict[int, str]]:
    plain = json.loads(Path(__file__).with_name("task_labels.json").read_text(encoding="utf-8"))
    return {
        task: {int(value): name for value, name in labels.items()} for task, labels in plain["tasks"].items()
    }


def task_named(text: str) -> str:
    """The task called ``text``, in any case; empty where there is none."""
    wanted = text.strip().casefold()
    return next((task for task in _tasks() if task.casefold() == wanted), "")


def labels_of(task: str) -> dict[int, str]:
    """Label -> structure of ``task``; raises ``export.no_table`` for one that is not known."""
    found = task_named(task)
    if not found:
        raise _no_table(task, f"{task!r} is no task of {PROGRAM} that is known here")
    return _tasks()[found]


def structures_of(task: str) -> frozenset[str]:
    """The structures of ``task``, casefolded; raises as :func:`labels_of`."""
    return frozenset(name.casefold() for name in labels_of(task).values())


def resolve_labels(given: str | os.PathLike[str]) -> str:
    """What ``--labels`` says: the absolute path of a table, or the name of a task of TotalSegmentator.

    A file of that name comes first. Raises ``export.no_table`` where it is neither.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return str(path.absolute())
    text = os.fspath(given)
    task = task_named(text)
    if not task:
        raise _no_table(text, f"{text} is neither a file nor a task of {PROGRAM}")
    return task


def is_task(labels: str) -> bool:
    """Whether what :func:`resolve_labels` answered is a task and no path."""
    return bool(labels) and not os.path.isabs(labels)


def _no_table(given: str, message: str) -> PipelineError:
    return PipelineError("export.no_table", message + did_you_mean(given, _tasks()), status=422)

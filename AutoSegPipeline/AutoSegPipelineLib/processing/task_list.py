"""The tasks that the engines of the workers know, as one line of JSON.

``python -m AutoSegPipelineLib.processing.task_list``, run under the Python of the workers: an engine's
tasks may belong to a package that is installed there. Nothing is computed and no engine is checked.
"""

from __future__ import annotations

import sys

from .answer_line import print_answer
from .engines import engines


def read() -> dict[str, list[str]]:
    """The names of each engine's tasks, with their aliases; none where its package is not installed."""
    return {
        name: [word for task in engine.tasks() for word in (task.name, *task.aliases)]
        for name, engine in engines().items()
    }


def _answer() -> dict[str, object]:
    return {"engines": read()}


if __name__ == "__main__":
    sys.exit(print_answer(_answer))

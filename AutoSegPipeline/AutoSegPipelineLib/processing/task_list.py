"""The tasks that the engines of the workers know, as one line of JSON.

``python -m AutoSegPipelineLib.processing.task_list``, run under the Python of the workers: an engine's
tasks may belong to a package that is installed there. Nothing is computed and no engine is checked.
"""

from __future__ import annotations

import json
import sys

from ..core.errors import PipelineError
from .engines import engines


def read() -> dict[str, list[str]]:
    """The names of each engine's tasks, with their aliases; none where its package is not installed."""
    return {
        name: [word for task in engine.tasks() for word in (task.name, *task.aliases)]
        for name, engine in engines().items()
    }


def main() -> int:
    """Print the answer, or ``{"error": ...}``."""
    try:
        answer: dict[str, object] = {"engines": read()}
    except PipelineError as error:
        answer = {"error": error.to_dict()}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

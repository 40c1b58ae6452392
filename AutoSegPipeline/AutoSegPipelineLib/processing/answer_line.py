"""One line of JSON on standard output: how a module that runs under the workers' Python answers."""

from __future__ import annotations

import json
import sys
from typing import Callable, Mapping

from ..core.errors import PipelineError


def print_answer(read: Callable[[], Mapping[str, object]]) -> int:
    """Print what ``read`` says, or ``{"error": ...}`` for a :class:`PipelineError`; the exit code."""
    try:
        answer = read()
    except PipelineError as error:
        answer = {"error": error.to_dict()}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0

"""Adding tiny models under the workers' Python.

Importing torch takes seconds, so one process answers for a complete file of tests; ``python
own_models.py`` is that process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # its folder's names would hide others
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from AutoSegPipelineLib.core.errors import PipelineError, from_dict


def ask_in_process(do: str, place: Path, **fields: Any) -> dict[str, Any]:
    """The same by a process of its own, as the command line asks."""
    from AutoSegPipelineLib.runtime.processes.child_command import module_arguments

    from support.tiny_totalsegmentator import PYTHON

    command = [PYTHON, *module_arguments("processing.engines.nnunet.manage"), _request(do, place, fields)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True)
    return _answered(done.stdout)


def _request(do: str, place: Path, fields: dict[str, Any]) -> str:
    return json.dumps({"do": do, "place": str(place), **fields}, default=str)


def _answered(line: str) -> dict[str, Any]:
    answer = json.loads(line.strip().splitlines()[-1])
    if "error" in answer:
        raise from_dict(answer["error"])
    return dict(answer)


class Models:
    """A process under the workers' Python that adds and checks models."""

    def __init__(self) -> None:
        from support.tiny_totalsegmentator import PYTHON, QUIET

        self._process = subprocess.Popen(
            [PYTHON, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            encoding="utf-8", env={**os.environ, **QUIET},
        )  # fmt: skip

    def __call__(self, do: str, place: Path, **fields: Any) -> dict[str, Any]:
        """The answer about models in ``place``; raises the error that it holds."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(_request(do, place, fields) + "\n")
        self._process.stdin.flush()
        return _answered(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=30)


def main() -> None:
    """Answer a request on each line of standard input."""
    from AutoSegPipelineLib.processing.engines.nnunet.manage import answer

    output, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            found = answer(json.loads(line))
        except PipelineError as error:
            found = {"error": error.to_dict()}
        output.write(json.dumps(found) + "\n")
        output.flush()


if __name__ == "__main__":
    main()

"""The drawing process' main: one JSON request a line, one picture each, until input ends.

A request names an ``.npz`` with points (LPS mm), triangles and normals, a table
of segments, where the picture goes and where the answer goes. The answer is a
JSON file ``{"problem": ""}``, renamed into place when the picture is complete.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import numpy as np


def main() -> int:
    """Serve requests; the process ends with its standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        problem = ""
        try:
            _draw(request)
        except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
            problem = f"the picture could not be drawn: {error}"
        part = request["answer"] + ".part"
        with open(part, "w", encoding="ascii") as stream:
            json.dump({"problem": problem}, stream)
        os.replace(part, request["answer"])
    return 0


def _draw(request: dict[str, Any]) -> None:
    from .scene import Mesh, draw_scene

    with np.load(request["arrays"]) as arrays:
        meshes = [
            Mesh(
                arrays[f"points{n}"], arrays[f"triangles{n}"], arrays[f"normals{n}"],
                tuple(segment["colour"]), float(segment["opacity"]), segment["group"], segment["name"],
            )
            for n, segment in enumerate(request["segments"])
        ]  # fmt: skip
    part = request["path"] + ".part.png"
    try:
        draw_scene(meshes, part)
        os.replace(part, request["path"])
    finally:
        if os.path.exists(part):
            os.unlink(part)


if __name__ == "__main__":
    sys.exit(main())

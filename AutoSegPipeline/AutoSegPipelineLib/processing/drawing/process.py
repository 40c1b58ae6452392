"""The drawing process' main: one JSON request a line, one picture each, until input ends.

A request names an ``.npz`` with points (LPS mm), triangles, normals and slices, a table
of segments, the scale, where the picture goes and where the answer goes. The answer is a
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
    from .scene import FRONT, SIDE, Mesh, draw_views
    from .sections import PLANES
    from .sheet import Panel, assemble, write_png

    with np.load(request["arrays"]) as arrays:
        meshes = [
            Mesh(
                arrays[f"points{n}"], arrays[f"triangles{n}"], arrays[f"normals{n}"],
                tuple(segment["colour"]), float(segment["opacity"]), segment["group"], segment["name"],
            )
            for n, segment in enumerate(request["segments"])
        ]  # fmt: skip
        slices = [Panel(arrays[f"slice{n}"], plane.letters) for n, plane in enumerate(PLANES)]
    scale = float(request["mm_per_pixel"])
    views = [Panel(image, view.letters) for image, view in zip(draw_views(meshes, scale), (FRONT, SIDE))]
    part = request["path"] + ".part.png"
    try:
        write_png(assemble([*views, *slices], bool(request["in_a_row"]), scale), part)
        os.replace(part, request["path"])
    finally:
        if os.path.exists(part):
            os.unlink(part)


if __name__ == "__main__":
    sys.exit(main())

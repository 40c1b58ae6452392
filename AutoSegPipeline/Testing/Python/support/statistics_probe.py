"""One case through the engine under the Python that has the package, and what would have left the machine.

``python statistics_probe.py SCAN``; prints one line of JSON: ``posts`` (addresses and what they
got), ``connections``, ``config`` (the package's configuration afterwards; null: there is none).
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import requests
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.processing.engines.totalsegmentator import TotalSegmentatorEngine
from AutoSegPipelineLib.processing.volume import read_volume

posts: list = []
connections: list = []


def post(url: str, **more: object) -> None:
    """In place of requests.post: nothing leaves the machine in a test."""
    posts.append([url, more.get("json")])
    raise requests.ConnectionError("a test")


def connect(self: socket.socket, address: object) -> None:
    """In place of a connection."""
    connections.append(str(address))
    raise OSError("a test")


if __name__ == "__main__":
    requests.post = post  # type: ignore[assignment]
    socket.socket.connect = connect  # type: ignore[assignment, method-assign]
    options = {"task": "total", "quality": "fastest", "device": "cpu"}
    found = TotalSegmentatorEngine().segment(
        read_volume(Path(sys.argv[1]), None, "CT"), options, SilentReport()
    )
    assert found.segments
    config = Path(os.environ["TOTALSEG_HOME_DIR"], "config.json")
    content = json.loads(config.read_text(encoding="utf-8")) if config.exists() else None
    print(json.dumps({"posts": posts, "connections": connections, "config": content}))

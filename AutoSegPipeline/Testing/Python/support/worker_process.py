"""The real worker process, its messages in a queue."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time

from AutoSegPipelineLib.core.protocol import from_line, to_line

from support import MODULE

LIBRARY = str(MODULE)


class Worker:
    """A real worker process with its messages in a queue."""

    def __init__(self, *command: str, **env: str) -> None:
        self.process = subprocess.Popen(
            list(command) or [sys.executable, "-m", "AutoSegPipelineLib.processing.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": LIBRARY, **env},
        )  # fmt: skip
        self.messages: queue.Queue = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.messages.put(from_line(line))
        self.messages.put(None)

    def send(self, **message) -> None:
        self.process.stdin.write(to_line(message))
        self.process.stdin.flush()

    def until(self, *types: str, seconds: float = 60):
        """Every message up to the first of these types."""
        seen, deadline = [], time.monotonic() + seconds
        while True:
            message = self.messages.get(timeout=max(deadline - time.monotonic(), 0.01))
            assert message is not None, f"the worker ended after {seen}"
            seen.append(message)
            if message["type"] in types:
                return seen

    def close(self) -> int:
        if not self.process.stdin.closed:
            self.process.stdin.close()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code

"""An event stream, as a client reads it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from typing import Any, Callable


class Listener:
    """An event stream, read by a thread."""

    def __init__(self, port: int, path: str = "/api/v1/events", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        about = {"Accept": "text/event-stream", **{k.replace("_", "-"): v for k, v in headers.items()}}
        self._connection.request("GET", path, None, about)
        self._sock = self._connection.sock
        self.answer = self._connection.getresponse()
        self.events: list[dict[str, Any]] = []
        self.comments = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        one: dict[str, Any] = {}
        try:
            for raw in self.answer:
                line = raw.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    one[name] = json.loads(value) if name == "data" else value
                elif "data" in one:
                    self.events.append(one)
                    one = {}
                else:
                    one = {}
        except (OSError, ValueError, http.client.HTTPException):
            return  # the server has gone, or the test has closed it

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind so far."""
        return [one for one in list(self.events) if one.get("event") == kind]

    def until(self, predicate: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait for it."""
        end = time.monotonic() + seconds
        while not predicate():
            assert time.monotonic() < end, f"not within {seconds} s; heard {self.events[-5:]}"
            time.sleep(0.01)

    def close(self) -> None:
        """Hang up."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server was first
        self._thread.join(10)
        self.answer.close()
        self._connection.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

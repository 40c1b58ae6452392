"""Slicer's WebServer classes as far as ours stand on them, and a way to talk to a server in this process."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
import types
from http.server import HTTPServer
from typing import Any, Iterator

import pytest

from support.qt import run_until
from support.slicer_sources import SOURCES, slicer_of


class SlicerHTTPServer(HTTPServer):
    """Constructor as in Slicer 5.8: the base class binds, then the socket gets a timeout."""

    def __init__(
        self, server_address=("", 2016), requestHandlers=None, docroot=".", logMessage=None, certfile=None
    ) -> None:
        HTTPServer.__init__(self, server_address, object)
        self.requestHandlers = requestHandlers or []
        self.socket.settimeout(5.0)


class WebServerLogic:
    """Constructor and state as in Slicer 5.8."""

    def __init__(self, port=None, requestHandlers=None) -> None:
        self.port = port or 2016
        self.server: Any = None
        self.serverStarted = False
        self.requestHandlers = list(requestHandlers or [])

    def stop(self) -> None:
        if self.server:
            self.server.stop()
        self.serverStarted = False


class BaseRequestHandler:
    """What a handler inherits from."""


@pytest.fixture(params=[None, *SOURCES], ids=lambda source: source.name if source else "")
def slicer_web_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``import WebServer`` and ``import WebServerLib`` as inside Slicer: ours, and those of each source."""
    if request.param is not None:
        with slicer_of(request.param, monkeypatch):
            for name in ("WebServer", "WebServerLib"):
                importlib.import_module(name)
            yield
        return
    module = types.ModuleType("WebServer")
    module.SlicerHTTPServer, module.WebServerLogic = SlicerHTTPServer, WebServerLogic  # type: ignore[attr-defined]
    library = types.ModuleType("WebServerLib")
    library.BaseRequestHandler = BaseRequestHandler  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "WebServer", module)
    monkeypatch.setitem(sys.modules, "WebServerLib", library)
    yield


def talk(port: int, data: bytes, seconds: float = 10.0, end: bytes | None = None) -> bytes:
    """Send ``data`` and collect the answer until the server closes, or ``end`` has come; the loop runs."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
        answer, left = bytearray(), bytearray(data)

        def over() -> bool:
            if left:
                try:
                    sent = client.send(left)
                    del left[:sent]
                except BlockingIOError:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    left.clear()
            try:
                found = client.recv(1 << 16)
            except BlockingIOError:
                return end is not None and end in answer
            except ConnectionResetError:
                return True
            answer.extend(found)
            return not found or (end is not None and end in answer)

        run_until(over, seconds)
        return bytes(answer)


def curl(*arguments: str) -> str:
    """Run the real curl beside the loop; what it printed."""
    process = subprocess.Popen(["curl", "-sS", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        run_until(lambda: process.poll() is not None, 60)
    finally:
        process.kill()
        output = process.communicate()[0]
    return output.decode("utf-8", "replace")

"""The web child: ``python -m AutoSegPipelineLib.web.child``.

It gets its configuration in one ``serve`` message and answers ``serving`` with the
URL, or ``failed``. It ends on ``quit`` and when its standard input closes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import socket
import sys
import threading
from typing import Iterator

from ..core.child_channel import ChildChannel
from ..core.child_main import LogToPipeline, serve_first, take_channel
from ..core.errors import PipelineError
from ..core.messages.child_messages import Hello, Serve
from ..core.messages.web_messages import Serving
from ..core.protocol import Envelope
from ..core.settings import Settings
from .config import WebConfig


class _Child:
    """One run: configuration in, server up, told to end."""

    def __init__(self, channel: ChildChannel, commands: Iterator[Envelope]) -> None:
        self._channel = channel
        self._commands = commands
        self._loop: asyncio.AbstractEventLoop | None = None
        self._quit: asyncio.Event | None = None

    async def serve(self, config: WebConfig) -> None:
        """Serve until :meth:`quit`; raises :class:`PipelineError` where it cannot begin."""
        self._loop = asyncio.get_running_loop()
        self._quit = asyncio.Event()
        threading.Thread(target=self._obey, name="orders", daemon=True).start()
        from .http import sockets

        sockets.check_certificate(config)
        try:
            from . import server
        except ImportError as error:
            raise PipelineError(
                "web.packages_missing", f"the web page needs the package {error.name or error}"
            ) from error
        await server.run(config, self._serving, self._quit)

    def _serving(self, config: WebConfig, sockets: list[socket.socket]) -> None:
        port = int(sockets[0].getsockname()[1])
        self._channel.send(Serving(config.url(port), port))

    def _obey(self) -> None:
        for _ in self._commands:
            pass
        if self._loop is not None and self._quit is not None:
            self._loop.call_soon_threadsafe(self._quit.set)


def main() -> int:
    """Serve; 0 after ``quit``, 1 when it could not begin."""
    channel = take_channel()
    logging.basicConfig(level=logging.INFO, handlers=[LogToPipeline(channel)])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it tells of each start and end, as we do
    channel.start()
    channel.send(Hello(os.getpid(), "web", platform.python_version()))

    def serve(message: Serve, commands: Iterator[Envelope]) -> None:
        config = WebConfig.of(message.home.home, Settings(message.settings, {}))
        asyncio.run(_Child(channel, commands).serve(config))

    return serve_first(channel, serve)


if __name__ == "__main__":
    sys.exit(main())

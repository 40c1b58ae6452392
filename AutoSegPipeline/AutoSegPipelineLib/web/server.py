"""uvicorn, wired: our sockets, our limits, no signal handlers, an end from outside."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from ..core.errors import PipelineError
from .app import make_app
from .config import WebConfig
from .context import WebContext
from .gate import exposure_rule
from .http import sockets
from .http.large_bodies import LargeBodyH11

# An idle connection is closed after this long; browsers open it again.
KEEP_ALIVE_SECONDS = 30
# What is still going on at the end (downloads, event streams) is cut after this long.
GRACE_SECONDS = 2
_MAX_HEADERS = 64 * 1024


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the pipeline says when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(
    config: WebConfig,
    serving: Callable[[WebConfig, list[socket.socket]], None],
    quit_: asyncio.Event,
) -> None:
    """Serve until ``quit_`` is set; ``serving`` is called when requests are answered.

    Raises ``web.*`` and ``account.*`` where the configuration does not allow it.
    """
    context = WebContext.of(config)
    try:
        exposure_rule.check(context)
        listening = sockets.listen(config)
    except BaseException:
        context.close()
        raise
    context.port = int(listening[0].getsockname()[1])
    server = _Server(_uvicorn(config, make_app(context)))
    task = asyncio.ensure_future(server.serve(sockets=listening))
    while not server.started and not task.done():
        await asyncio.sleep(0.01)
    if server.started:
        serving(config, listening)
    waiting = asyncio.ensure_future(quit_.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    waiting.cancel()
    await task
    if not server.started:
        raise PipelineError("web.internal", "the application of the web page did not start; the log says why")


def _uvicorn(config: WebConfig, app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=LargeBodyH11,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        root_path=config.base_path,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=_MAX_HEADERS,
        ssl_certfile=config.tls_cert or None,
        ssl_keyfile=config.tls_key or None,
        # uvicorn's own list has the old ones; these exist in TLS 1.2 and later only.
        ssl_ciphers="ECDHE+AESGCM:ECDHE+CHACHA20",
    )

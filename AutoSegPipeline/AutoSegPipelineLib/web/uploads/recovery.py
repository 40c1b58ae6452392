"""At the start and every minute: hand over what was left, complete what is there, remove what expired."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any, AsyncIterator, Coroutine

from ...core.errors import PipelineError
from ...intake.received.handover import ask_to_adopt, read_plan
from . import tus
from .service import Uploads
from .upload_store import OPEN, Upload

log = logging.getLogger(__name__)
_SWEEP_SECONDS = 60.0
_END_SECONDS = 1.5


@contextlib.asynccontextmanager
async def running(uploads: Uploads) -> AsyncIterator[None]:
    """As long as the application: go on where the last web child stopped, then sweep."""
    for one in await uploads.disk.run(uploads.store.load):
        uploads.store.know(one)
    await sweep(uploads)
    sweeping = asyncio.ensure_future(_sweep_for_ever(uploads))
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.wait([sweeping])
        # Requests that the server has cut off bring their last bytes to the disk.
        clock = uploads.context.clock
        until = clock.monotonic() + _END_SECONDS
        while (uploads.store.busy or uploads.admission.is_busy) and clock.monotonic() < until:
            await asyncio.sleep(0.01)
        uploads.disk.pool.shutdown(wait=True)


async def _sweep_for_ever(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(min(_SWEEP_SECONDS, uploads.limits.expire_seconds / 4))
        try:
            await sweep(uploads)
        except OSError as error:
            log.error("sweeping uploads: %s", error)


async def sweep(uploads: Uploads) -> None:
    """Carry out plans that were left, complete what has all its bytes, remove what has expired."""
    store = uploads.store
    for folder in await uploads.disk.run(lambda: list(store.folder.iterdir())):
        if not store.knows(folder.name) and not uploads.admission.is_open(folder.name):
            await _guarded(_request_folder(uploads, folder), folder.name)
    ends = store.ends()
    for one in store.all():
        if one.id not in store.busy and f"{one.owner}/{one.batch}" not in store.busy:
            await _guarded(_upload(uploads, one, ends[one.id]), one.id)


async def _guarded(work: Coroutine[Any, Any, None], what: str) -> None:
    """One that cannot be dealt with keeps nobody from the others."""
    try:
        await work
    except (PipelineError, OSError) as error:
        log.warning("upload %s: %s", what, error)


async def _request_folder(uploads: Uploads, folder: Path) -> None:
    """The folder of a request that is over: its process is gone, or the pipeline has yet to take it."""
    handover = uploads.handover
    if await uploads.disk.run(handover.is_held, folder):
        return
    intents = await uploads.disk.run(handover.resume, folder)
    if intents is not None:
        ask_to_adopt(uploads.context.store, intents)
    await uploads.disk.run(handover.remove, folder)


async def _upload(uploads: Uploads, upload: Upload, ends: float) -> None:
    folder = uploads.store.folder_of(upload.id)
    if upload.state == OPEN and await uploads.disk.run(read_plan, folder) is not None:
        intents = await uploads.disk.run(uploads.handover.resume, folder) or []
        ask_to_adopt(uploads.context.store, intents)
        await uploads.settle(upload, intents)
    elif upload.kind == "batch" and upload.state == OPEN:
        await uploads.remove(upload)
    elif upload.state == OPEN and upload.offset == upload.length:
        with uploads.store.claim(upload.id):
            await tus.complete(uploads, upload)
    elif ends <= uploads.now:
        with uploads.store.claim(upload.id):  # it may have come to life meanwhile
            log.info("upload %s has expired", upload.id)
            await uploads.remove(upload)

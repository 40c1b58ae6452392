"""What of the PACS lives as long as the application."""

from __future__ import annotations

import asyncio
import contextlib
from typing import AsyncIterator

from ..context import WebContext
from . import refused_callers
from .dicom_process import KEY, DicomProcess


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """The view of the dicom process, at ``context.shared["pacs"]``, and who copies refused callers."""
    process = context.shared[KEY] = DicomProcess(context)
    task = asyncio.ensure_future(refused_callers.follow(context, process))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        process.close()

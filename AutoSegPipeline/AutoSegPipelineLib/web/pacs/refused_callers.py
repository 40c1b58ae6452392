"""Follows the receiver's table of refused callers for the audit log."""

from __future__ import annotations

import asyncio
import logging
import sqlite3

from ..context import WebContext
from .dicom_process import DicomProcess

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


async def follow(context: WebContext, process: DicomProcess) -> None:
    """For ever. A store that is busy or full is looked at again."""
    while True:
        try:
            if process.store is not None:
                context.accounts.refused_callers.note(process.store.refusals.list())
        except sqlite3.Error as error:
            log.warning("refused DICOM callers cannot be copied into the audit log: %s", error)
        await asyncio.sleep(LOOK_SECONDS)

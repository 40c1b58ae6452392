"""Reports to another server that results were not sent to a PACS and will not be by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from typing import Optional

from ...core.clock import rfc3339
from ...core.files import read_json, write_json
from ...core.pacs.alarms import Alarm, Alarms
from ..context import WebContext
from ..webhook_delivery import Deliverer, number_of
from .dicom_process import dicom_process_of

log = logging.getLogger(__name__)

FILE = "webhook-sends.json"
LOOK_SECONDS = 2.0


class SendWebhook:
    """Follows the alarms in ``state/dicom.sqlite``; where it stands is on the disk."""

    def __init__(self, context: WebContext, deliverer: Deliverer) -> None:
        self._context = context
        self._deliverer = deliverer
        self._path = context.home.state / FILE
        self._last: Optional[int] = None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self._last = int(read_json(self._path)["last"])

    async def run(self) -> None:
        """For ever."""
        process = dicom_process_of(self._context)
        while True:
            try:
                if process.store is not None:
                    await self._follow(process.store.alarms)
                elif self._last is None:
                    self._passed(0)  # none has been before the first start
            except sqlite3.Error as error:
                log.warning("dicom.sqlite cannot be read: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    async def _follow(self, alarms: Alarms) -> None:
        newest = alarms.newest()
        if self._last is None or self._last > newest:  # the first start, or another store
            self._passed(newest)
        for alarm in alarms.since(self._last or 0):
            await self._deliverer.deliver(_about(alarm), number_of("alarm", alarm.id, alarm.at))
            self._passed(alarm.id)

    def _passed(self, last: int) -> None:
        self._last = last
        write_json(self._path, {"last": last})


def _about(alarm: Alarm) -> dict[str, object]:
    """No sentence: what a peer said in an error may name a patient."""
    at = rfc3339(alarm.at)
    return {"event": "send.failed", "job": alarm.job, "peer": alarm.peer, "code": alarm.code, "at": at}

"""Reports to another server when a job is done, failed or refused: ids only.

What follows the PACS is :mod:`.pacs.send_webhook`; how both are sent, :mod:`.webhook_delivery`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import AsyncIterator, Callable, Coroutine, Optional

from ..core import states
from ..core.files import read_json, write_json
from ..core.job import Job
from . import events
from .context import WebContext
from .pacs.send_webhook import SendWebhook
from .webhook_delivery import Deliverer, number_of
from .webhook_post import Target, target_of

log = logging.getLogger(__name__)

TOLD = (states.DONE, states.FAILED, states.REFUSED)
FILE = "webhook.json"
_REMEMBERED = 1000


def delivery_of(job: Job) -> str:
    """The number of one event: a job that is retried ends again."""
    return number_of(job.id, job.state, job.times.get(job.state))


def about(job: Job) -> dict[str, object]:
    """What is reported. No names: they may be patients'."""
    return {
        "event": f"job.{job.state}",
        "job": job.id,
        "state": job.state,
        "at": job.times.get(job.state),
        "revision": job.revision,
    }


class Cursor:
    """Up to which revision everything was reported, and what of the later was; survives a restart."""

    def __init__(self, path: Path, newest: int) -> None:
        self._path = path
        self.revision = newest
        self._delivered: list[str] = []
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = read_json(path)
            self.revision = min(int(found["revision"]), newest)
            self._delivered = [str(one) for one in found.get("delivered", found.get("told"))]

    def knows(self, delivery: str) -> bool:
        """Whether it was reported already: the row of an ended job may change for other reasons."""
        return delivery in self._delivered

    def delivered(self, delivery: str, revision: int) -> None:
        """Note one event for good."""
        self._delivered = [*self._delivered[-_REMEMBERED + 1 :], delivery]
        self.passed(revision)

    def passed(self, revision: int, durable: bool = True) -> None:
        """Everything up to ``revision`` is dealt with."""
        self.revision = revision
        write_json(self._path, {"revision": revision, "delivered": self._delivered}, durable)


class Webhook:
    """Follows the changes and delivers one event after the other."""

    def __init__(self, context: WebContext, deliverer: Deliverer, cursor: Cursor) -> None:
        self._context = context
        self._deliverer = deliverer
        self._cursor = cursor

    async def run(self) -> None:
        """For ever."""
        hub: events.Hub = self._context.shared["hub"]
        while True:
            found, more = events.changes(self._context, self._cursor.revision)
            for change in found:
                job = change.job
                if job is not None and job.state in TOLD and not self._cursor.knows(delivery_of(job)):
                    await self._deliverer.deliver(about(job), delivery_of(job))
                    self._cursor.delivered(delivery_of(job), change.revision)
            if found and self._cursor.revision < found[-1].revision:
                self._cursor.passed(found[-1].revision, durable=False)
            if not more:
                await hub.wait(60)


def _target(context: WebContext, complain: Callable[..., object] = log.error) -> Optional[Target]:
    config = context.config
    if not config.webhook_url:
        return None
    target = target_of(config.webhook_url)
    if target is None:
        complain("webhook_url is no http:// or https:// address; nobody is reported")
        return None
    if not config.webhook_secret:
        complain("webhook_url needs webhook_secret, with which to sign; nobody is reported")
        return None
    return target


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """The webhooks of one application, where the settings name an address."""
    target = _target(context)
    if target is None:
        yield
        return
    cursor = Cursor(context.home.state / FILE, context.store.revision())
    cursor.passed(cursor.revision)
    # Each has a thread of its own: one that is not heard of holds up only its kind.
    deliverers = [Deliverer(context, target), Deliverer(context, target)]
    runs: list[Coroutine[object, object, None]] = [
        Webhook(context, deliverers[0], cursor).run(), SendWebhook(context, deliverers[1]).run()
    ]  # fmt: skip
    tasks = [asyncio.ensure_future(run) for run in runs]
    for task in tasks:
        task.add_done_callback(_ended)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for deliverer in deliverers:
            deliverer.close()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ended(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a webhook has ended", exc_info=task.exception())

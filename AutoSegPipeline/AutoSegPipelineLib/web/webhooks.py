"""Tells another server when a job is done, failed or refused: ids only, signed, until it was heard.

Every delivery is a POST of JSON with these headers; the receiver computes the HMAC again
over ``TIMESTAMP.BODY`` and refuses what is old:

    AutoSeg-Delivery: the same for every try of one event
    AutoSeg-Timestamp: seconds since 1970
    AutoSeg-Signature: v1=HEX of HMAC-SHA256(secret, timestamp + "." + body)
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import hashlib
import hmac
import json
import logging
from pathlib import Path
from typing import AsyncIterator, Callable, Optional

from ..core import states
from ..core.files import read_json, write_json
from ..core.job import Job
from . import events
from .context import WebContext
from .webhook_post import Post, Target, target_of

log = logging.getLogger(__name__)

TOLD = (states.DONE, states.FAILED, states.REFUSED)
FILE = "webhook.json"
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_GIVE_UP_SECONDS = 24 * 3600.0
_REMEMBERED = 1000


def delivery_of(job: Job) -> str:
    """The id of one event: a job that is retried ends again."""
    return hashlib.sha256(f"{job.id} {job.state} {job.times.get(job.state)}".encode()).hexdigest()[:32]


def body_of(job: Job, delivery: str) -> bytes:
    """What is reported. No names: they may be patients'."""
    about = {
        "event": f"job.{job.state}",
        "job": job.id,
        "state": job.state,
        "at": job.times.get(job.state),
        "revision": job.revision,
        "delivery": delivery,
    }
    return json.dumps(about, separators=(",", ":")).encode("ascii")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of ``AutoSeg-Signature``."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


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

    def __init__(self, context: WebContext, target: Target, cursor: Cursor) -> None:
        self._context = context
        self._target = target
        self._cursor = cursor
        self._threads = concurrent.futures.ThreadPoolExecutor(1, "webhook")
        self._post: Optional[Post] = None

    async def run(self) -> None:
        """For ever."""
        hub: events.Hub = self._context.shared["hub"]
        while True:
            found, more = events.changes(self._context, self._cursor.revision)
            for change in found:
                job = change.job
                if job is not None and job.state in TOLD and not self._cursor.knows(delivery_of(job)):
                    await self._deliver(job)
                    self._cursor.delivered(delivery_of(job), change.revision)
            if found and self._cursor.revision < found[-1].revision:
                self._cursor.passed(found[-1].revision, durable=False)
            if not more:
                await hub.wait(60)

    async def _deliver(self, job: Job) -> None:
        """Until it was heard, or the receiver says that it never will be, or a day has passed."""
        delivery, wait = delivery_of(job), _FIRST_WAIT
        body = body_of(job, delivery)
        give_up = self._context.clock.monotonic() + _GIVE_UP_SECONDS
        while True:
            status, trouble = await self._try(delivery, body)
            if status is not None and 200 <= status < 300:
                return
            what = trouble or f"status {status}"
            if status is not None and 300 <= status < 500 and status not in (408, 425, 429):
                log.error("the webhook refuses %s (%s); it is not told again", job.id, what)
                return
            if self._context.clock.monotonic() > give_up:
                log.error("the webhook did not hear of %s for a day (%s); given up", job.id, what)
                return
            log.warning("the webhook did not hear of %s (%s); again in %.0f s", job.id, what, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _try(self, delivery: str, body: bytes) -> tuple[Optional[int], str]:
        timestamp = str(int(self._context.clock.now()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"AutoSegPipeline/{self._context.config.version}",
            "AutoSeg-Delivery": delivery,
            "AutoSeg-Timestamp": timestamp,
            "AutoSeg-Signature": signature(self._context.config.webhook_secret, timestamp, body),
        }
        post = self._post = Post(self._target, headers, body)
        loop = asyncio.get_running_loop()
        # A receiver that answers a byte a minute is cut off, whatever the socket's own timeout.
        alarm = loop.call_later(post.SECONDS, post.cut)
        try:
            return await loop.run_in_executor(self._threads, post.send)
        finally:
            alarm.cancel()

    def close(self) -> None:
        """Cut what is under way and let the thread end."""
        if self._post is not None:
            self._post.cut()
        self._threads.shutdown(wait=True)


def _make(context: WebContext, complain: Callable[..., object] = log.error) -> Optional[Webhook]:
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
    cursor = Cursor(context.home.state / FILE, context.store.revision())
    cursor.passed(cursor.revision)
    return Webhook(context, target, cursor)


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """The webhook of one application, where the settings name one."""
    hook = _make(context)
    if hook is None:
        yield
        return
    task = asyncio.ensure_future(hook.run())
    task.add_done_callback(_ended)
    try:
        yield
    finally:
        task.cancel()
        hook.close()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _ended(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("the webhook has ended", exc_info=task.exception())

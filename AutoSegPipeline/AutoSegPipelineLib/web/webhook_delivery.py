"""One delivery after the other: signed, sent until it was heard, and never followed elsewhere.

Every delivery is a POST of JSON with these headers; the receiver computes the HMAC again
over ``TIMESTAMP.BODY`` and refuses what is old:

    AutoSeg-Delivery: the same for every try of one event
    AutoSeg-Timestamp: seconds since 1970
    AutoSeg-Signature: v1=HEX of HMAC-SHA256(secret, timestamp + "." + body)
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import hmac
import json
import logging
from typing import Mapping, Optional

from .context import WebContext
from .webhook_post import Post, Target

log = logging.getLogger(__name__)

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_GIVE_UP_SECONDS = 24 * 3600.0


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of ``AutoSeg-Signature``."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


def number_of(*parts: object) -> str:
    """The number of a delivery, by what it is about."""
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:32]


class Deliverer:
    """Posts to ``target`` from a thread of its own; used from the event loop."""

    def __init__(self, context: WebContext, target: Target) -> None:
        self._context = context
        self._target = target
        self._threads = concurrent.futures.ThreadPoolExecutor(1, "webhook")
        self._post: Optional[Post] = None

    async def deliver(self, about: Mapping[str, object], number: str) -> None:
        """Until it was heard, or the receiver says that it never will be, or a day has passed."""
        body = json.dumps({**about, "delivery": number}, separators=(",", ":")).encode("ascii")
        what, wait = f"{about['event']} of {about['job']}", _FIRST_WAIT
        give_up = self._context.clock.monotonic() + _GIVE_UP_SECONDS
        while True:
            status, trouble = await self._try(number, body)
            if status is not None and 200 <= status < 300:
                return
            why = trouble or f"status {status}"
            if status is not None and 300 <= status < 500 and status not in (408, 425, 429):
                log.error("the webhook refuses %s (%s); it is not sent again", what, why)
                return
            if self._context.clock.monotonic() > give_up:
                log.error("the webhook did not hear of %s for a day (%s); given up", what, why)
                return
            log.warning("the webhook did not hear of %s (%s); again in %.0f s", what, why, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _try(self, number: str, body: bytes) -> tuple[Optional[int], str]:
        timestamp = str(int(self._context.clock.now()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"AutoSegPipeline/{self._context.config.version}",
            "AutoSeg-Delivery": number,
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

"""What changed, for many who listen: the store is looked at once for all of them.

A change has a revision, which is the id of its event; whoever comes back with the last
id that it saw gets everything since, also from a web child that was started again.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import json
import logging
import sqlite3
from dataclasses import dataclass
from typing import AsyncIterator, Callable, Optional

from ..core import states
from ..core.job import Job
from .context import WebContext
from .documents import job_document
from .gate.visible_jobs import VisibleJobs

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
MOST_STREAMS = 1000
_AT_ONCE = 500
_RECENT = 2000


@dataclass(frozen=True)
class Change:
    """One change: of ``job``, or the deletion of ``deleted``."""

    revision: int
    job: Optional[Job]
    deleted: str
    text: bytes  # as an event


def changes(context: WebContext, since: int, limit: int = _AT_ONCE) -> tuple[list[Change], bool]:
    """At most ``limit`` changes after ``since`` in their order, and whether there are more."""
    jobs = context.store.jobs.list(since=since, limit=limit + 1)
    gone = context.store.jobs.tombstones(since, limit + 1)
    found = [_changed(context, job) for job in jobs]
    found += [Change(at, None, job, _event("deleted", at, {"id": job})) for job, at in gone]
    found.sort(key=lambda one: one.revision)
    return found[:limit], len(found) > limit


def _changed(context: WebContext, job: Job) -> Change:
    return Change(job.revision, job, "", _event("job", job.revision, job_document(context, job)))


def _event(kind: str, revision: Optional[int], data: dict[str, object]) -> bytes:
    head = f"event: {kind}\n" + ("" if revision is None else f"id: {revision}\n")
    # JSON of one line: ensure_ascii leaves no line separators of other kinds either.
    return f"{head}data: {json.dumps(data)}\n\n".encode("ascii")


class Hub:
    """Looks whether the store has changed, and wakes the streams."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._changed = asyncio.Event()
        self._recent: list[Change] = []
        self._recent_since = self._revision = context.store.revision()
        self._glances: dict[object, bytes] = {}
        self.streams = 0
        self.ends = context.accounts.ends()  # rises when a login, token or link has ended
        self.listeners: list[Callable[[Job], None]] = []  # hear of each job that has changed

    @property
    def revision(self) -> int:
        """Of the newest change that was seen."""
        return self._revision

    async def run(self) -> None:
        """Look for ever. A store that is busy or away for a moment is looked at again."""
        seen = -1
        while True:
            try:
                version = self._context.store.data_version()
                while version != seen and self._look():
                    await asyncio.sleep(0)  # thousands at once must not hold up the requests
                seen = version
                self._look_for_ends()
            except (OSError, sqlite3.OperationalError) as error:
                log.warning("the store cannot be read: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    def _look_for_ends(self) -> None:
        """Wake the streams where somebody may listen no longer: each of them looks whether it is meant."""
        ends = self._context.accounts.ends()
        if ends != self.ends:
            self.ends = ends
            self._wake()

    def _wake(self) -> None:
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()

    def _look(self) -> bool:
        """Take in some changes and wake the streams; whether there are more."""
        revision = self._context.store.revision()
        if revision == self._revision:
            return False
        found, more = changes(self._context, self._revision)
        newest = max((one.revision for one in found), default=0)
        self._revision = newest if more else max(revision, newest)
        self._recent += found
        if len(self._recent) > _RECENT:
            self._recent_since = self._recent[-_RECENT - 1].revision
            del self._recent[:-_RECENT]
        self._glances.clear()
        self._wake()
        for change in found:
            for listener in self.listeners if change.job is not None else ():
                listener(change.job)  # type: ignore[arg-type]
        return more

    async def wait(self, seconds: float) -> bool:
        """Until something changes; whether it did within ``seconds``."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    def after(self, since: int) -> tuple[list[Change], int]:
        """Changes after ``since`` (some, in order) and the revision up to which they are complete."""
        if since >= self._recent_since:
            begin = bisect.bisect_right([one.revision for one in self._recent], since)
            return self._recent[begin:], self._revision
        bound = self._revision
        found, more = changes(self._context, since)
        return found, found[-1].revision if more else max(bound, since)

    def glance(self, visible: VisibleJobs) -> bytes:
        """The ``status`` event for those who see the same."""
        key = visible.scope
        if key not in self._glances:
            self._glances[key] = _event("status", None, glance(self._context, visible))
        return self._glances[key]


def glance(context: WebContext, visible: VisibleJobs) -> dict[str, object]:
    """Counts by state, how many wait, why nothing is begun, why nothing leaves for the cluster."""
    counts = visible.counts()
    error = (context.store.meta.get("cluster") or {}).get("error")
    return {
        "counts": counts,
        "waiting": sum(counts[state] for state in states.WAITING),
        "paused": context.store.meta.get("paused"),
        "cluster": {"code": error["code"], "reason": error["message"]} if error else None,
    }


async def stream(
    context: WebContext, visible: VisibleJobs, since: Optional[int], still: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Events for ever, beginning after ``since`` (None: now); ends when ``still()`` says no."""
    hub: Hub = context.shared["hub"]
    newest = context.store.revision()
    last = newest if since is None else since
    yield b"retry: 1000\n\n"
    if last > newest:
        last = newest  # of another store: what the client knows is worth nothing
        yield _event("reset", last, {"revision": last})
    yield _event("hello", last, {"revision": last})
    sent, ends = b"", hub.ends
    while True:
        if ends != hub.ends:
            ends = hub.ends
            if not still():
                return
        found, upto = hub.after(last)
        last = max(last, upto, *(one.revision for one in found[-1:]))
        text = b"".join(_text(context, one, visible) for one in found if seen(one, visible))
        now = hub.glance(visible)
        if now != sent:
            sent, text = now, text + now
        if text:
            yield text
        if last < hub.revision:
            await asyncio.sleep(0)
        elif not await hub.wait(HEARTBEAT_SECONDS):
            if not still():
                return
            yield b": still here\n\n"


def _text(context: WebContext, change: Change, visible: VisibleJobs) -> bytes:
    if change.job is None or not visible.hides_names(change.job):
        return change.text
    return _changed(context, visible.shown(change.job)).text


def seen(change: Change, visible: VisibleJobs) -> bool:
    """Whether whoever has ``visible`` may know of ``change``."""
    if change.job is not None:
        return visible.sees(change.job)
    return visible.sees_deleted(change.deleted)


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """The hub of one application, at ``context.shared["hub"]``."""
    hub = context.shared["hub"] = Hub(context)
    task = asyncio.ensure_future(hub.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

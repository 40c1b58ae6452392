"""All uploads of one web child: admitting, handing over, batches, expiry, and what a crash has left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, AsyncIterator, Callable, Coroutine, Iterator, TypeVar

from ...core import lock
from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...core.incoming import Intent
from ...core.options_check import check_at_the_door
from ...intake.received.grouping import Received, group
from ...intake.received.handover import LOCK, PLAN, carry_out, read_plan, write_plan
from ...intake.received.request import UploadRequest
from ..context import WebContext
from ..documents import job_document
from .adopting import adopted
from .incoming_request import IncomingRequest
from .limits import Limits
from .quota import Quota
from .upload_store import DONE, OPEN, WHOLE, Upload, UploadStore

log = logging.getLogger(__name__)
T = TypeVar("T")
THREADS = 4
KEPT_HASHES = 64
_SWEEP_SECONDS = 60.0
_END_SECONDS = 1.5


@dataclass(frozen=True)
class Handed:
    """Inputs that count; ``carried`` is False where the disk did not let them go all the way yet."""

    intents: list[Intent]
    carried: bool


@dataclass
class Outcome:
    """Jobs in their public form; ``taken`` is False where the pipeline has not answered yet."""

    jobs: list[dict[str, Any]]
    taken: bool = True
    files: list[Received] = field(default_factory=list)


class Uploads:
    """Made once per application; its methods run in the event loop, the disk's work in ``pool``."""

    def __init__(self, context: WebContext) -> None:
        self.context = context
        self.limits = Limits.of(context.config)
        self.book = UploadStore(context.home)
        self.quota = Quota(context, self.book)
        self.pool = ThreadPoolExecutor(THREADS, "uploads")
        self.busy: set[str] = set()  # uploads and batches that somebody is working on
        self.hashes: OrderedDict[str, tuple[int, dict[str, Any]]] = OrderedDict()  # running, by upload
        self.completing: Callable[[Upload], Any] | None = None  # set by tus

    async def thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """``function(*arguments)`` off the event loop, to its end even when the caller is cancelled."""
        running = asyncio.get_running_loop().run_in_executor(self.pool, partial(function, *arguments))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    @property
    def now(self) -> float:
        return self.context.clock.now()

    # --- the door -------------------------------------------------------------------------

    def admit(self, owner: str, size: int) -> None:
        """Raise where ``size`` more bytes of ``owner`` may not come in."""
        self.limits.check_size(size, "The upload")
        paused = self.context.store.meta.get("paused")
        if paused and paused["code"] == "environment.disk_full":
            raise PipelineError(paused["code"], paused["reason"], status=507)
        self.limits.check_disk(self.context.home.state, size + self.quota.promised())
        self.limits.check_quota(self.quota.waiting(owner), size)

    def drop(self, owner: str, size: int | None) -> IncomingRequest:
        """A folder for the files of one request of ``size`` bytes (None: unknown)."""
        self.admit(owner, size or 0)
        return IncomingRequest(self, owner, size or 0)

    def check(self, wish: UploadRequest) -> None:
        """Raise for what no engine here can do; rules and the pipeline itself look at it again."""
        if wish.expect == "scan":
            check_at_the_door(self.context.store.meta, wish.options)

    @contextlib.contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Nobody else works on ``key`` meanwhile; raises ``web.upload_busy``."""
        if key in self.busy:
            raise PipelineError("web.upload_busy", "another request is working on this upload")
        self.busy.add(key)
        try:
            yield
        finally:
            self.busy.discard(key)

    # --- from files to jobs -----------------------------------------------------------------

    async def hand_over(self, folder: Path, files: list[Received], owner: str, wish: UploadRequest) -> Handed:
        """The files become inputs, whatever happens afterwards; ``folder`` holds the plan."""
        root = self.book.folder

        def work() -> Handed:
            groups = group(root, files, wish.expect)
            if not groups:
                raise PipelineError("request.invalid", "there is no scan among the files", status=422)
            if wish.name and len(groups) > 1:
                raise PipelineError(
                    "request.invalid", f"name goes with one input; these are {len(groups)}", status=422
                )
            self.limits.check_disk(root)
            intents = write_plan(root, folder, groups, owner, wish)
            try:
                carry_out(self.context.home, root, folder, read_plan(folder) or {"jobs": []})
            except OSError as error:
                # It counts since the plan; the next sweep goes on with it.
                log.error("an upload waits in %s: %s", folder, error)
                return Handed(intents, False)
            return Handed(intents, True)

        handed = await self.thread(work)
        for intent in handed.intents:
            self.quota.note(intent.id, sum(one.size for one in intent.files))
        return handed

    async def taken(self, handed: Handed) -> tuple[list[dict[str, Any]], bool]:
        """The jobs of what was handed over, and whether the pipeline has all of them."""
        return await adopted(self.context, handed.intents, handed.carried)

    async def finish(self, drop: IncomingRequest, wish: UploadRequest) -> Outcome:
        """The files of ``drop`` become jobs, or wait for the rest of their batch."""
        if wish.batch:
            self.add_to_batch(drop.owner, wish.batch, len(drop.files), drop.arrived)
            member = Upload(
                drop.owner, drop.id, "files", WHOLE, drop.arrived, batch=wish.batch, wish=wish.to_dict(),
                created=self.now, expires=self.now + self.limits.expire_seconds,
                files=[vars(one) for one in drop.files],
            )  # fmt: skip
            await self.thread(self.book.write, member)
            self.book.know(member)
            drop.kept = True
            return Outcome([], True, drop.files)
        jobs, taken = await self.taken(await self.hand_over(drop.folder, drop.files, drop.owner, wish))
        if taken:
            await self.thread((drop.folder / PLAN).unlink)
        return Outcome(jobs, taken, drop.files)

    # --- batches ----------------------------------------------------------------------------

    def add_to_batch(self, owner: str, batch: str, files: int, size: int) -> None:
        """Raise where so much more cannot belong to ``batch``."""
        there = self.book.batch(owner, batch)
        if f"{owner}/{batch}" in self.busy or any(one.kind == "batch" for one in there.members.values()):
            raise PipelineError("request.conflict", f"the batch {batch} is finished", status=409)
        self.limits.check_count(files + there.files)
        self.limits.check_size(size + there.size, "The batch")

    async def finish_batch(self, owner: str, batch: str, later: UploadRequest) -> Outcome:
        """All files of ``batch`` become jobs; again answers the same. ``later`` wins over earlier wishes.

        Raises ``web.upload_unknown`` and ``web.upload_incomplete``.
        """
        with self.claim(f"{owner}/{batch}"):
            members = list(self.book.batch(owner, batch).members.values())
            done = next((one for one in members if one.kind == "batch"), None)
            if done is not None:
                return Outcome(self.jobs_of(done))
            if not members:
                raise PipelineError("web.upload_unknown", f"there is no batch {batch}")
            missing = [one for one in members if one.state == OPEN]
            if missing:
                raise PipelineError(
                    "web.upload_incomplete",
                    f"{len(missing)} of {len(members)} files have not arrived whole, the first is "
                    f"{missing[0].label}",
                )
            wish = members[0].wished()
            wish = UploadRequest(
                {**wish.options, **later.options}, later.name or wish.name, wish.expect, batch
            )
            self.check(wish)
            files = [file for one in members for file in one.received]
            record = Upload(
                owner, kind="batch", batch=batch, label=f"{len(files)} files", created=self.now,
                expires=self.now + self.limits.expire_seconds, wish=wish.to_dict(),
            )  # fmt: skip
            self.book.know(record)
            try:
                await self.thread(self.book.make, record)
                handed = await self.hand_over(self.book.folder_of(record.id), files, owner, wish)
            except BaseException:
                if not (self.book.folder_of(record.id) / PLAN).exists():
                    await self.remove(record)
                raise
            jobs, taken = await self.taken(handed)
            if handed.carried:
                await self.settled(record, handed.intents)
            return Outcome(jobs, taken, files)

    async def drop_batch(self, owner: str, batch: str) -> None:
        """Forget the files of a batch that is not finished."""
        with self.claim(f"{owner}/{batch}"):
            found = self.book.batch(owner, batch).members.values()
            members = [one for one in found if one.kind != "batch"]
            if not members:
                raise PipelineError("web.upload_unknown", f"there is no batch {batch}")
            if any(one.id in self.busy for one in members):
                raise PipelineError("web.upload_busy", "files of this batch are still coming in")
            for one in members:
                await self.remove(one)

    def jobs_of(self, upload: Upload) -> list[dict[str, Any]]:
        """The jobs that an upload became, as far as they are still known."""
        found = (self.context.store.jobs.find(job_id) for job_id in upload.jobs)
        return [job_document(self.context, job) for job in found if job is not None]

    # --- afterwards -------------------------------------------------------------------------

    async def settled(self, upload: Upload, intents: list[Intent]) -> None:
        """``upload`` became jobs: note which, and let its bytes' places go."""
        self.book.enter(upload, DONE)
        upload.jobs = [one.id for one in intents]
        upload.offset = upload.length
        await self.thread(self._write_settled, upload)
        self.hashes.pop(upload.id, None)
        if upload.kind == "batch":
            for one in list(self.book.batch(upload.owner, upload.batch).members.values()):
                if one.id != upload.id:
                    await self.remove(one)

    def _write_settled(self, upload: Upload) -> None:
        self.book.write(upload, durable=True)
        (self.book.folder_of(upload.id) / PLAN).unlink(missing_ok=True)

    async def remove(self, upload: Upload) -> None:
        """Forget an upload and its bytes."""
        self.book.forget(upload)
        self.hashes.pop(upload.id, None)
        await self.thread(self.book.discard, upload)

    # --- start, sweeping, end ----------------------------------------------------------------

    async def start(self) -> None:
        """Go on where the last web child stopped."""
        for one in await self.thread(self.book.load):
            self.book.know(one)
        await self.sweep()

    async def sweep(self) -> None:
        """Carry out plans that were left, complete what is whole, remove what has expired."""
        for folder in await self.thread(lambda: list(self.book.folder.iterdir())):
            if not self.book.knows(folder.name) and not self.quota.is_under_way(folder.name):
                await self._guarded(self._stranger(folder), folder.name)
        ends = self.book.ends()
        for one in self.book.all():
            if one.id not in self.busy and f"{one.owner}/{one.batch}" not in self.busy:
                await self._guarded(self._look_at(one, ends[one.id]), one.id)

    async def _guarded(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """One that cannot be dealt with keeps nobody from the others."""
        try:
            await work
        except (PipelineError, OSError) as error:
            log.warning("upload %s: %s", what, error)

    async def _look_at(self, upload: Upload, ends: float) -> None:
        plan = None
        if upload.state == OPEN:
            plan = await self.thread(read_plan, self.book.folder_of(upload.id))
        if plan is not None:
            await self._carry_on(upload, plan)
        elif upload.kind == "batch" and upload.state == OPEN:
            await self.remove(upload)
        elif upload.state == OPEN and upload.offset == upload.length and self.completing is not None:
            with self.claim(upload.id):
                await self.completing(upload)
        elif ends <= self.now:
            with self.claim(upload.id):  # it may have come to life meanwhile
                log.info("upload %s has expired", upload.id)
                await self.remove(upload)

    async def _carry_on(self, upload: Upload, plan: dict[str, Any]) -> None:
        folder = self.book.folder_of(upload.id)
        intents = await self.thread(carry_out, self.context.home, self.book.folder, folder, plan)
        await adopted(self.context, intents, seconds=0)
        await self.settled(upload, intents)

    async def _stranger(self, folder: Path) -> None:
        """A request's folder: of one under way, of a child that is gone, or waiting for the pipeline."""
        if await self.thread(lock.is_locked, folder / LOCK):
            return
        plan = await self.thread(read_plan, folder)
        if plan is not None:
            intents = await self.thread(carry_out, self.context.home, self.book.folder, folder, plan)
            await adopted(self.context, intents, seconds=0)
        await self.thread(remove_tree, folder)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self.limits.expire_seconds / 4))
            try:
                await self.sweep()
            except OSError as error:
                log.error("sweeping uploads: %s", error)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """As long as the application."""
        await self.start()
        sweeping = asyncio.ensure_future(self._sweep_for_ever())
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.wait([sweeping])
            # Requests that the server has cut off bring their last bytes to the disk.
            until = self.context.clock.monotonic() + _END_SECONDS
            while (self.busy or self.quota.under_way) and self.context.clock.monotonic() < until:
                await asyncio.sleep(0.01)
            self.pool.shutdown(wait=True)

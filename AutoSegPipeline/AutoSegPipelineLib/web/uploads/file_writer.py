"""Writes one file as its bytes come in, off the event loop and with little memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, TypeVar, Union

from ...core.errors import PipelineError
from ...core.files import is_disk_full
from .admission import Limits

T = TypeVar("T")
Data = Union[bytes, memoryview]
THREADS = 4
BLOCK = 4 << 20  # bytes gathered before a thread writes them: one is filled while another is written

# What goes to the disk in one call: on ext4 of Linux 6.18 a megabyte at once costs 2 to 10 times the CPU.
STEP = 256 << 10
# The disk begins to work after this much, so that little is left to wait for when the last byte is here.
SYNC_BYTES = 32 << 20


class DiskThreads:
    """The threads in which uploads wait for the disk."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(THREADS, "uploads")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """``function(*arguments)`` off the event loop, to its end even when the caller is cancelled."""
        running = asyncio.get_running_loop().run_in_executor(self.pool, partial(function, *arguments))
        await _to_its_end(running)
        return running.result()


@dataclass(frozen=True)
class Written:
    """A file that is on the disk."""

    size: int
    digests: dict[str, bytes]  # by name of hashlib

    @property
    def sha256(self) -> str:
        """Hex, as in manifests."""
        return self.digests["sha256"].hex()


class FileWriter:
    """Appends to ``path`` from ``start`` on; at most two blocks are in memory.

    ``limits`` are asked before each block goes to the disk. ``hashes`` may bring the
    running checksums of the bytes before ``start``.
    """

    def __init__(
        self, pool: Executor, path: Path, limits: Limits, start: int = 0, hashes: dict[str, Any] | None = None
    ) -> None:
        self._pool = pool
        self._path = path
        self._limits = limits
        self._hashes = hashes if hashes is not None else {"sha256": hashlib.sha256()}
        self._descriptor = -1
        self._start = start
        self._blocks: list[Data] = []
        self._gathered = 0
        self._writing: asyncio.Future[None] | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._synced = start
        self.size = start  # with what still is in memory
        self.written = start

    def also(self, algorithms: Iterable[str]) -> None:
        """Compute these checksums too; before the first byte."""
        for name in algorithms:
            self._hashes.setdefault(name, hashlib.new(name))

    async def write(self, data: Data) -> None:
        """Take some bytes. Raises ``request.too_large`` and ``environment.disk_full``.

        A memoryview is lent, so it is on the disk afterwards; the connection fills others meanwhile.
        """
        self.size += len(data)
        self._limits.check_size(self.size, "The upload")
        self._blocks.append(data)
        self._gathered += len(data)
        lent = isinstance(data, memoryview)
        if lent or self._gathered >= BLOCK:
            await self._settle()
            self._writing = self._later()
        if lent:
            await self._settle()

    async def finish(self, durable: bool) -> Written:
        """Write the rest and close; ``durable`` waits for the disk."""
        await self._settle()
        await self._synced_up()
        pieces = self._taken()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, self._last, pieces, durable)
        return Written(self.size, {name: one.digest() for name, one in self._hashes.items()})

    async def keep(self) -> int:
        """Write what has arrived and close, after a connection broke; the size of the file then."""
        try:
            return (await self.finish(durable=True)).size
        finally:
            with contextlib.suppress(OSError, PipelineError):  # a second one would hide the first
                await self._synced_up()
            self._close()

    async def abandon(self) -> None:
        """Close; what is in memory is not written."""
        try:
            await self._settle()
        except (PipelineError, OSError):
            pass  # it goes away in any case
        finally:
            with contextlib.suppress(OSError, PipelineError):  # a second one would hide the first
                await self._synced_up()
            self._close()

    async def _settle(self) -> None:
        writing, self._writing = self._writing, None
        await _to_its_end(writing)
        if self.written - self._synced >= SYNC_BYTES and (self._syncing is None or self._syncing.done()):
            await self._synced_up()
            self._synced = self.written
            self._syncing = asyncio.get_running_loop().run_in_executor(self._pool, _sync, self._descriptor)

    async def _synced_up(self) -> None:
        """No thread waits for the disk any more. What it refused is raised: it says so only once."""
        syncing, self._syncing = self._syncing, None
        await _to_its_end(syncing)

    def _later(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._pool, self._put, self._taken())

    def _taken(self) -> list[Data]:
        pieces, self._blocks, self._gathered = self._blocks, [], 0
        return pieces

    # --- in a thread of the pool ---------------------------------------------------------

    def _put(self, pieces: list[Data]) -> None:
        """Piece by piece: joining them would be one more copy of everything."""
        with _full_disk():
            self._limits.check_disk(self._path.parent, sum(map(len, pieces)))
            if self._descriptor < 0:
                self._open()
            for data in pieces:
                view = memoryview(data)
                while view:
                    step = view[: os.write(self._descriptor, view[:STEP])]
                    view = view[len(step) :]
                    self.written += len(step)
                    for one in self._hashes.values():
                        one.update(step)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._descriptor = os.open(self._path, flags, 0o600)
        # Behind ``start`` may lie what a checksum did not confirm.
        os.ftruncate(self._descriptor, self._start)
        os.lseek(self._descriptor, self._start, os.SEEK_SET)

    def _last(self, pieces: list[Data], durable: bool) -> None:
        if pieces or self._descriptor < 0:
            self._put(pieces)
        if durable:
            with _full_disk():
                os.fsync(self._descriptor)
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


async def _to_its_end(running: asyncio.Future[Any] | None) -> None:
    """Cancelled from outside, a thread goes on: wait for it, then pass it on."""
    if running is not None:
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


def _sync(descriptor: int) -> None:
    with _full_disk():
        getattr(os, "fdatasync", os.fsync)(descriptor)


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    """The answer of a server whose disk is full; over a network that may show late."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise PipelineError("environment.disk_full", "the server's disk is full", status=507) from error
        raise

"""One request's files on their way in: a folder that goes away with the request unless it was handed over."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...core import lock
from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...intake.received.client_names import clean_label
from ...intake.received.grouping import Received
from ...intake.received.handover import LOCK
from .digests import Wanted
from .file_writer import Data, FileWriter

if TYPE_CHECKING:
    from .service import Uploads


class IncomingRequest:
    """``async with`` it; ``files`` are those that are whole."""

    def __init__(self, uploads: Uploads, owner: str, announced: int) -> None:
        self.id = uuid.uuid4().hex
        self.owner = owner
        self.announced = announced
        self.arrived = 0
        self.files: list[Received] = []
        self.kept = False  # it belongs to a batch now
        self._uploads = uploads
        self._holder: IO[bytes] | None = None
        self._sink: FileWriter | None = None
        self._label = ""
        self._before = 0

    @property
    def folder(self) -> Path:
        """``state/uploads/<id>``."""
        return self._uploads.book.folder_of(self.id)

    async def __aenter__(self) -> IncomingRequest:
        self._uploads.quota.begin(self)
        try:
            await self._uploads.thread(self._make)
        except BaseException:
            self._uploads.quota.end(self)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._sink is not None:
                await self._sink.drop()
        finally:
            self._uploads.quota.end(self)
            await self._uploads.thread(self._unmake)

    async def begin(self, name: str) -> None:
        """The next file; ``name`` is what the sender calls it."""
        self._uploads.limits.check_count(len(self.files) + 1)
        self._label = clean_label(name)
        self._before = self.arrived
        self._sink = FileWriter(self._uploads.pool, self.folder / self._name, self._uploads.limits)

    async def write(self, data: Data) -> None:
        """Some bytes of it. Raises ``request.too_large``, ``web.upload_quota``, ``environment.disk_full``."""
        assert self._sink is not None
        self.arrived += len(data)
        self._uploads.limits.check_size(self.arrived, "The upload")
        if self.arrived > self.announced:
            # Chunked: nobody said how much would come.
            self._uploads.limits.check_quota(self._uploads.quota.waiting(self.owner), 0)
        await self._sink.write(data)

    async def end(self, wanted: list[Wanted] | None = None) -> Received:
        """It is whole. Raises ``web.upload_checksum`` where ``wanted`` says otherwise."""
        assert self._sink is not None
        sink, self._sink = self._sink, None
        try:
            # Waiting for the disk comes once for all files, before they count.
            written = await sink.finish(durable=False)
        except BaseException:
            await sink.drop()
            raise
        for one in wanted or []:
            one.check(written.digests[one.algorithm], self._label)
        received = Received(f"{self.id}/{self._name}", self._label, written.size, written.sha256)
        self.files.append(received)
        return received

    def expect(self, wanted: list[Wanted]) -> None:
        """Compute these checksums too, of the file that has just begun."""
        assert self._sink is not None
        self._sink.also(one.algorithm for one in wanted)

    @property
    def _name(self) -> str:
        return f"f{len(self.files) + 1:06d}"

    # --- in a thread ---------------------------------------------------------------------

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True)
        self._holder = lock.hold(self.folder / LOCK)

    def _unmake(self) -> None:
        if self._holder is not None:
            self._holder.close()  # Windows removes no folder in which a file is open
        if self.kept:
            (self.folder / LOCK).unlink(missing_ok=True)
        elif not (self.folder / "plan.json").exists():
            remove_tree(self.folder)


def no_file() -> PipelineError:
    """The request brought none."""
    return PipelineError("request.invalid", "the request holds no file", status=422)

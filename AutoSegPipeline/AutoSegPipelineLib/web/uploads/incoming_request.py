"""The files of one request on their way in; their folder goes with the request unless they became jobs."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...intake.received.client_input import CaseRequest, clean_name
from ...intake.received.grouping import ReceivedFile
from ...intake.received.handover import LOCK, PLAN
from . import batches
from .admission import Allowance
from .digests import Wanted
from .file_writer import Data, FileWriter
from .service import Outcome, Uploads

TINY = 352  # bytes, the header of a NIfTI file: a smaller file is no scan by itself
MOST_TINY = 200  # of them in one request


class IncomingRequest:
    """``async with`` it; ``files`` are those that are complete. ``size`` in bytes, None where unknown.

    Entering raises where so much may not come in.
    """

    def __init__(self, uploads: Uploads, owner: str, size: int | None) -> None:
        self.owner = owner
        self.files: list[ReceivedFile] = []
        self._uploads = uploads
        self._size = size or 0
        self._allowance = Allowance(owner, self._size)
        self._in_batch = False
        self._lock: IO[bytes] | None = None
        self._writer: FileWriter | None = None
        self._name = ""

    @property
    def id(self) -> str:
        return self._allowance.id

    @property
    def folder(self) -> Path:
        """``state/uploads/<id>``."""
        return self._uploads.handover.root / self.id

    async def __aenter__(self) -> IncomingRequest:
        self._uploads.admission.check(self.owner, self._size)
        self._uploads.admission.open(self._allowance)
        try:
            self._lock = await self._uploads.disk.run(self._uploads.handover.hold, self.folder)
        except BaseException:
            self._uploads.admission.close(self._allowance)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._writer is not None:
                await self._writer.abandon()
        finally:
            self._uploads.admission.close(self._allowance)
            await self._uploads.disk.run(self._let_go)

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()  # Windows removes no folder in which a file is open
        if self._in_batch:
            (self.folder / LOCK).unlink(missing_ok=True)
        elif not (self.folder / PLAN).exists():
            remove_tree(self.folder)

    # --- its files ---------------------------------------------------------------------------

    async def begin(self, name: str, wanted: list[Wanted] | None = None) -> None:
        """The next file, which its sender calls ``name``; checksums in ``wanted`` are computed too."""
        self._uploads.limits.check_count(len(self.files) + 1)
        self._check_tiny()
        self._name = clean_name(name)
        path = self.folder / self._file
        self._writer = FileWriter(self._uploads.disk.pool, path, self._uploads.limits)
        self._writer.also(one.algorithm for one in wanted or [])

    def _check_tiny(self) -> None:
        """Refuse a form of thousands of files that cannot be scans before each of them becomes a job."""
        count = len(self.files)
        if count == MOST_TINY and sum(one.size for one in self.files) < count * TINY:
            raise PipelineError(
                "request.too_large", f"more than {count} files of a few bytes each", status=413
            )

    async def write(self, data: Data) -> None:
        """Some bytes of it. Raises ``request.too_large``, ``web.upload_quota``, ``environment.disk_full``."""
        assert self._writer is not None
        self._uploads.admission.take(self._allowance, len(data))
        await self._writer.write(data)

    async def end(self, wanted: list[Wanted] | None = None) -> None:
        """It is complete. Raises ``web.upload_checksum`` where ``wanted`` says otherwise."""
        assert self._writer is not None
        writer, self._writer = self._writer, None
        try:
            # Waiting for the disk comes once for all files, before they count.
            written = await writer.finish(durable=False)
        except BaseException:
            await writer.abandon()
            raise
        for one in wanted or []:
            one.check(written.digests[one.algorithm], self._name)
        self.files.append(ReceivedFile(f"{self.id}/{self._file}", self._name, written.size, written.sha256))

    @property
    def _file(self) -> str:
        return f"f{len(self.files) + 1:06d}"

    # --- the end -------------------------------------------------------------------------------

    async def finish(self, request: CaseRequest, batch: str = "") -> Outcome:
        """The files become jobs, or wait for the rest of their batch. Raises where there are none."""
        if not self.files:
            raise PipelineError("request.invalid", "the request holds no file", status=422)
        uploads = self._uploads
        if batch:
            size = self._allowance.received
            await batches.add_files(uploads, self.owner, self.id, batch, self.files, size, request)
            self._in_batch = True
            return Outcome([], True, self.files)
        hand_over = uploads.handover.hand_over
        handed = await uploads.disk.run(hand_over, self.folder, self.files, request, self.owner)
        outcome = await uploads.adopted(handed, self.files)
        if outcome.taken:
            await uploads.disk.run((self.folder / PLAN).unlink)
        return outcome
